import type { Problem } from "../state/state";
import { Icon } from "./icons";

/** An error beside what failed, inside a dialog or form. */
export function InlineError({ text }: { text: string | undefined }) {
  return (
    <div role="alert">
      {text !== undefined && (
        <p className="inline-error" data-testid="error">
          {text}
        </p>
      )}
    </div>
  );
}

/** The errors that belong to the page as a whole, until dismissed. */
export function Problems({ problems, onDismiss }: { problems: Problem[]; onDismiss: (id: number) => void }) {
  return (
    <div role="alert" className="problems">
      {problems.map((problem) => (
        <div key={problem.id} className="problem" data-testid="error">
          <p>{problem.text}</p>
          <button type="button" className="quiet" aria-label="Dismiss" data-testid="dismiss" onClick={() => onDismiss(problem.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
