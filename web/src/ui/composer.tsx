import { useEffect, useLayoutEffect, useRef, type KeyboardEvent } from "react";
import type { Chat } from "../state/chat";
import { Icon } from "./icons";

/** Content of a message in UTF-8; the service refuses more. */
const maxBytes = 4096;

interface Props {
  chat: Chat;
  arn: string;
  name: string;
  draft: string;
}

export function Composer({ chat, arn, name, draft }: Props) {
  const input = useRef<HTMLTextAreaElement>(null);
  const text = draft.trim();
  const excess = new TextEncoder().encode(text).length - maxBytes;
  const canSend = text !== "" && excess <= 0;

  useLayoutEffect(() => {
    const area = input.current!;
    const form = area.form!;
    form.style.minHeight = `${form.offsetHeight}px`; // or the list above would grow, and scroll, while this is measured
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
    form.style.minHeight = "";
  }, [draft]);

  // On a phone the keyboard would cover what the person came to read.
  useEffect(() => {
    if (window.matchMedia("(hover: hover)").matches) input.current?.focus();
  }, []);

  const send = () => {
    if (!canSend) return;
    chat.send(arn, text);
    input.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };

  return (
    <form
      className="composer"
      onSubmit={(e) => {
        e.preventDefault();
        send();
      }}
    >
      <textarea
        ref={input}
        rows={1}
        aria-label={`Message to ${name}`}
        aria-describedby="composer-note"
        placeholder={`Message to ${name}`}
        data-testid="composer"
        value={draft}
        onChange={(e) => chat.setDraft(arn, e.target.value)}
        onKeyDown={onKeyDown}
      />
      <button type="submit" className="primary round" aria-label="Send" disabled={!canSend} data-testid="send">
        <Icon name="send" />
      </button>
      <p id="composer-note" className={excess > 0 ? "inline-error" : "sr-only"}>
        {excess > 0 ? `${excess} bytes too long for one message.` : "Enter sends, Shift and Enter starts a new line."}
      </p>
    </form>
  );
}
