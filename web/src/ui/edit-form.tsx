import { useState, type FormEvent, type KeyboardEvent } from "react";
import type { Message } from "../model/types";
import { InlineError } from "./notice";
import { useTask } from "./use-task";

interface Props {
  message: Message;
  onSave: (text: string) => Promise<void>;
  onClose: () => void;
}

/** Editing in place. A failed save keeps the text and says why. */
export function EditForm({ message, onSave, onClose }: Props) {
  const [text, setText] = useState(message.content);
  const { busy, error, run } = useTask();

  const save = async (event?: FormEvent) => {
    event?.preventDefault();
    const changed = text.trim();
    if (changed === "" || busy) return;
    if (changed === message.content || (await run(() => onSave(changed)))) onClose();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      onClose();
    }
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      void save();
    }
  };

  return (
    <form className="edit-form" onSubmit={(e) => void save(e)}>
      <textarea
        autoFocus
        rows={Math.min(8, text.split("\n").length + 1)}
        aria-label="Text of the message"
        data-testid="edit-text"
        value={text}
        onChange={(e) => setText(e.target.value)}
        onFocus={(e) => e.target.setSelectionRange(text.length, text.length)}
        onKeyDown={onKeyDown}
      />
      <InlineError text={error} />
      <footer>
        <button type="button" className="small" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" className="small primary" disabled={busy || text.trim() === ""} data-testid="edit-save">
          {busy ? "Saving…" : "Save"}
        </button>
      </footer>
    </form>
  );
}
