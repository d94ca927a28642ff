import { useEffect, useLayoutEffect, useRef, type KeyboardEvent } from "react";
import type { Person } from "../model/types";
import type { Chat } from "../state/chat";
import { Icon } from "./icons";
import { MentionList, optionId } from "./mention-list";
import { useMentions } from "./use-mentions";

/** Content of a message in UTF-8; the service refuses more. */
const maxBytes = 4096;

interface Props {
  chat: Chat;
  arn: string;
  name: string;
  draft: string;
  /** Those that can be mentioned: the other members, as far as they were loaded. */
  others: Person[];
}

export function Composer({ chat, arn, name, draft, others }: Props) {
  const input = useRef<HTMLTextAreaElement>(null);
  const caretTo = useRef<number>(undefined); // after the next change of the draft
  const mentions = useMentions(draft, others, (text, caret) => {
    caretTo.current = caret;
    chat.setDraft(arn, text);
  });
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
    if (caretTo.current !== undefined) area.setSelectionRange(caretTo.current, caretTo.current);
    caretTo.current = undefined;
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
    if (event.shiftKey || event.nativeEvent.isComposing) return;
    if (mentions.takesKey(event)) return event.preventDefault();
    if (event.key !== "Enter") return;
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
      {mentions.people.length > 0 && <MentionList people={mentions.people} active={mentions.active} onPick={mentions.pick} />}
      <textarea
        ref={input}
        rows={1}
        aria-label={`Message to ${name}`}
        aria-describedby="composer-note"
        aria-autocomplete="list"
        {...(mentions.people.length > 0 && { "aria-controls": "mention-list", "aria-activedescendant": optionId(mentions.active) })}
        placeholder={`Message to ${name}`}
        data-testid="composer"
        value={draft}
        onChange={(e) => {
          mentions.setCaret(e.target.selectionEnd);
          chat.setDraft(arn, e.target.value);
        }}
        onSelect={(e) => mentions.setCaret(e.currentTarget.selectionEnd)}
        onKeyDown={onKeyDown}
      />
      <button type="submit" className="primary round" aria-label="Send" disabled={!canSend} data-testid="send">
        <Icon name="send" />
      </button>
      <p id="composer-note" className={excess > 0 ? "inline-error" : "sr-only"}>
        {excess > 0 ? `${excess} bytes too long for one message.` : "Enter sends, Shift and Enter starts a new line, @ mentions a member."}
      </p>
    </form>
  );
}
