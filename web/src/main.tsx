import { createRoot } from "react-dom/client";
import { describeError } from "./api/errors";
import { App } from "./ui/app";
import "./styles.css";

// A fault of the page itself leaves nothing to render; say so instead of showing an empty window.
const onUncaughtError = (error: unknown): void => {
  const note = document.createElement("p");
  note.setAttribute("role", "alert");
  note.className = "problem";
  note.textContent = `The page failed and has to be loaded again. ${describeError(error)}`;
  document.body.prepend(note);
  reportError(error);
};

createRoot(document.getElementById("root")!, { onUncaughtError }).render(<App />);
