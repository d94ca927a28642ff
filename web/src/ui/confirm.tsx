import { Dialog } from "./dialog";
import { InlineError } from "./notice";
import { useTask } from "./use-task";

interface Props {
  title: string;
  text: string;
  action: string;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

/** Asks before something that cannot be undone; stays open with the error when it fails. */
export function Confirm({ title, text, action, onConfirm, onClose }: Props) {
  const { busy, error, run } = useTask();
  const confirm = async () => {
    if (await run(onConfirm)) onClose();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <InlineError text={error} />
      <footer>
        <button type="button" data-first-focus onClick={onClose}>
          Cancel
        </button>
        <button type="button" className="danger" disabled={busy} data-testid="confirm" onClick={() => void confirm()}>
          {action}
        </button>
      </footer>
    </Dialog>
  );
}
