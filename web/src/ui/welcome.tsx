import type { ReactNode } from "react";
import icon from "../icon.svg";

/** The frame of everything that is shown before someone is signed in. */
export function Welcome({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="welcome">
      <div className="welcome-card">
        <img src={icon} alt="" width="48" height="48" />
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}
