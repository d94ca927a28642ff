import { useState, type FormEvent } from "react";
import type { Chat } from "../state/chat";
import { Dialog } from "./dialog";
import { InlineError } from "./notice";
import { useTask } from "./use-task";

export function CreateChannelDialog({ chat, onClose }: { chat: Chat; onClose: () => void }) {
  const [name, setName] = useState("");
  const [isPublic, setPublic] = useState(true);
  const [isRestricted, setRestricted] = useState(true);
  const { busy, error, run } = useTask();

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const created = await run(() => chat.createChannel({ name: name.trim(), isPublic, isRestricted }));
    if (created) onClose();
  };

  return (
    <Dialog title="Create a channel" onClose={onClose}>
      <form onSubmit={(e) => void submit(e)}>
        <label>
          Name
          <input
            data-first-focus
            required
            maxLength={256}
            pattern=".*\S.*"
            autoComplete="off"
            data-testid="channel-name"
            value={name}
            onChange={(e) => setName(e.target.value)}
          />
        </label>
        <fieldset>
          <legend>Who may find and join it</legend>
          <Choice name="privacy" value="public" checked={isPublic} onPick={() => setPublic(true)}>
            <strong>Public</strong> everybody sees it and may join
          </Choice>
          <Choice name="privacy" value="private" checked={!isPublic} onPick={() => setPublic(false)}>
            <strong>Private</strong> only for those who were added
          </Choice>
        </fieldset>
        <fieldset>
          <legend>Who may add members</legend>
          <Choice name="mode" value="restricted" checked={isRestricted} onPick={() => setRestricted(true)}>
            <strong>Restricted</strong> only moderators, you among them
          </Choice>
          <Choice name="mode" value="unrestricted" checked={!isRestricted} onPick={() => setRestricted(false)}>
            <strong>Unrestricted</strong> every member
          </Choice>
        </fieldset>
        <InlineError text={error} />
        <footer>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="primary" disabled={busy || name.trim() === ""} data-testid="channel-create">
            {busy ? "Creating…" : "Create"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

interface ChoiceProps {
  name: string;
  value: string;
  checked: boolean;
  onPick: () => void;
  children: React.ReactNode;
}

function Choice({ name, value, checked, onPick, children }: ChoiceProps) {
  return (
    <label className="choice">
      <input type="radio" name={name} value={value} checked={checked} onChange={onPick} data-testid={`${name}-${value}`} />
      <span>{children}</span>
    </label>
  );
}
