import { memo, useLayoutEffect, useRef, useState } from "react";
import type { BotState, Message, MessageStatus, Person } from "../model/types";
import type { Chat } from "../state/chat";
import { Avatar } from "./avatar";
import { Confirm } from "./confirm";
import { EditForm } from "./edit-form";
import { Icon } from "./icons";
import { exactLabel, timeLabel } from "./times";

const statusNotes: Record<MessageStatus, string> = {
  SENT: "",
  PENDING: "being processed…",
  FAILED: "could not be processed",
  DENIED: "was refused",
};

const botNotes: Record<BotState, string> = { writing: "is writing…", broken: "broke off" };

interface Props {
  chat: Chat;
  me: Person;
  message: Message;
  /** First of its sender's group: shows who and when. */
  first: boolean;
}

export const MessageItem = memo(function MessageItem({ chat, me, message, first }: Props) {
  const [editing, setEditing] = useState(false);
  const [removing, setRemoving] = useState(false);
  const editButton = useRef<HTMLButtonElement>(null);
  const own = message.sender.arn === me.arn;
  const canChange = own && !message.redacted && message.status === "SENT" && message.persistent;

  // The button is back only once the form is gone, so the focus follows the commit.
  const wasEditing = useRef(false);
  useLayoutEffect(() => {
    if (wasEditing.current && !editing) editButton.current?.focus();
    wasEditing.current = editing;
  }, [editing]);

  return (
    <article
      className={`message${own ? " own" : ""}${first ? " first" : ""}`}
      data-testid="message"
      data-message-id={message.id}
      aria-label={`${message.sender.name}, ${timeLabel(message.createdAt)}`}
    >
      {!own && first && <Avatar person={message.sender} />}
      <div className="bubble-column">
        {first && (
          <header>
            {!own && <strong>{message.sender.name}</strong>}
            <time dateTime={new Date(message.createdAt).toISOString()} title={exactLabel(message.createdAt)}>
              {timeLabel(message.createdAt)}
            </time>
          </header>
        )}
        <div className="bubble-row">
          {editing ? (
            <EditForm message={message} onSave={(text) => chat.edit(message, text)} onClose={() => setEditing(false)} />
          ) : (
            <Bubble message={message} />
          )}
          {canChange && !editing && (
            <span className="message-actions">
              <button
                ref={editButton}
                type="button"
                className="quiet"
                aria-label="Edit the message"
                data-testid="edit"
                onClick={() => setEditing(true)}
              >
                <Icon name="edit" />
              </button>
              <button
                type="button"
                className="quiet"
                aria-label="Remove the message"
                data-testid="redact"
                onClick={() => setRemoving(true)}
              >
                <Icon name="trash" />
              </button>
            </span>
          )}
        </div>
      </div>
      {removing && (
        <Confirm
          title="Remove this message?"
          text="Its text disappears for everybody and cannot be brought back."
          action="Remove"
          onConfirm={() => chat.redact(message)}
          onClose={() => setRemoving(false)}
        />
      )}
    </article>
  );
});

function Bubble({ message }: { message: Message }) {
  if (message.redacted) {
    return (
      <p className="bubble removed" data-testid="message-removed">
        Message removed
      </p>
    );
  }
  const note = message.bot ? botNotes[message.bot] : statusNotes[message.status];
  return (
    <div className="bubble">
      <span className="content" data-testid="message-content">
        {message.content}
      </span>
      {message.edited && (
        <small className="mark" data-testid="message-edited">
          edited
        </small>
      )}
      {note !== "" && <small className="mark">{note}</small>}
    </div>
  );
}
