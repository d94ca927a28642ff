import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Message, Person } from "../model/types";
import type { Chat } from "../state/chat";
import type { Room } from "../state/state";
import { MessageItem } from "./message-item";
import { OutboxItem } from "./outbox-item";
import { dayLabel, startsGroup, startsNewDay } from "./times";

/** So close to the end the list follows new messages. */
const nearEndPx = 48;

interface Props {
  chat: Chat;
  me: Person;
  arn: string;
  room: Room;
}

export function MessageList({ chat, me, arn, room }: Props) {
  const { scroller, atEnd, toEnd, onScroll } = useScroll(room);
  const { messages, outbox } = room;
  const isEmpty = room.history === "done" && messages.length === 0 && outbox.length === 0;

  return (
    <div className="history">
      <div className="scroller" ref={scroller} onScroll={onScroll} tabIndex={0} role="region" aria-label="Messages">
        {room.history === "busy" && <p className="empty">Loading…</p>}
        {room.history === "failed" && (
          <button type="button" className="more" onClick={() => void chat.refreshHistory(arn)}>
            Try again
          </button>
        )}
        {room.older !== undefined && (
          <button
            type="button"
            className="more"
            disabled={room.loadingOlder}
            data-testid="load-older"
            onClick={() => void chat.loadOlder(arn)}
          >
            {room.loadingOlder ? "Loading…" : "Load older messages"}
          </button>
        )}
        {isEmpty && <p className="empty">No messages yet. Write the first one.</p>}
        <ol className="messages" data-testid="messages">
          {messages.map((message, i) => {
            const before = messages[i - 1];
            return (
              <li key={message.id}>
                {startsNewDay(before, message) && <p className="day">{dayLabel(message.createdAt)}</p>}
                <MessageItem chat={chat} me={me} message={message} first={startsGroup(before, message)} />
              </li>
            );
          })}
          {outbox.map((entry) => (
            <li key={entry.token}>
              <OutboxItem chat={chat} arn={arn} entry={entry} />
            </li>
          ))}
        </ol>
      </div>
      {!atEnd && (
        <button type="button" className="to-end small" onClick={toEnd}>
          Newest messages
        </button>
      )}
      <p className="typing" data-testid="typing" aria-live="off">
        {typingLine(room.typing.map((t) => t.who.name))}
      </p>
      <Announcer messages={messages} me={me} ready={room.history === "done"} />
    </div>
  );
}

function typingLine(names: string[]): string {
  if (names.length === 0) return "";
  if (names.length > 2) return "Several people are typing…";
  return `${names.join(" and ")} ${names.length === 1 ? "is" : "are"} typing…`;
}

/**
 * Follows the end while the person is there and when they send something, and
 * keeps the message under their eyes in place when older ones are put above it.
 */
function useScroll(room: Room) {
  const scroller = useRef<HTMLDivElement>(null);
  const last = useRef({ first: room.messages[0]?.id, sent: room.outbox.at(-1)?.token, height: 0, view: 0, following: true });
  const [atEnd, setAtEnd] = useState(true);

  useLayoutEffect(() => {
    const box = scroller.current!;
    const first = room.messages[0]?.id;
    const grewAbove = last.current.first !== undefined && first !== last.current.first;
    const sent = room.outbox.at(-1)?.token;
    if (sent !== undefined && sent !== last.current.sent) last.current.following = true;
    last.current.sent = sent;
    if (last.current.following) box.scrollTop = box.scrollHeight;
    else if (grewAbove) box.scrollTop += box.scrollHeight - last.current.height;
    last.current.first = first;
    last.current.height = box.scrollHeight;
  }, [room.messages, room.outbox, room.history]);

  // The box itself changes when the composer grows or a phone shows its keyboard.
  useEffect(() => {
    const box = scroller.current!;
    const observer = new ResizeObserver(() => {
      last.current.view = box.clientHeight;
      if (last.current.following) box.scrollTop = box.scrollHeight;
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  const onScroll = () => {
    const box = scroller.current!;
    const resized = box.clientHeight !== last.current.view; // which is no will of the person
    const near = box.scrollHeight - box.scrollTop - box.clientHeight < nearEndPx;
    last.current.view = box.clientHeight;
    last.current.height = box.scrollHeight;
    if (resized && last.current.following) return;
    last.current.following = near;
    setAtEnd(near);
  };
  const toEnd = () => {
    const box = scroller.current!;
    box.scrollTop = box.scrollHeight;
  };
  return { scroller, atEnd, toEnd, onScroll };
}

/** Reads out what others write from now on; history and own words stay silent. */
function Announcer({ messages, me, ready }: { messages: Message[]; me: Person; ready: boolean }) {
  const [text, setText] = useState("");
  const lastId = useRef<string>(undefined);
  const newest = messages.at(-1);

  useEffect(() => {
    if (!ready) return;
    const isFirstLook = lastId.current === undefined;
    if (newest?.id === lastId.current) return;
    lastId.current = newest?.id ?? "";
    if (isFirstLook || newest === undefined || newest.sender.arn === me.arn) return;
    setText(`${newest.sender.name}: ${newest.content}`);
  }, [ready, newest, me.arn]);

  return (
    <p className="sr-only" aria-live="polite" data-testid="announcer">
      {text}
    </p>
  );
}
