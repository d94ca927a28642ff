import type { Message } from "../model/types";

// Lists of messages are kept oldest first. Creation times can be equal, so
// every sort is stable and the argument order says who goes first.

function byCreation(messages: Message[]): Message[] {
  return messages.sort((a, b) => a.createdAt - b.createdAt);
}

function newer(known: Message, incoming: Message): Message {
  return incoming.updatedAt >= known.updatedAt ? incoming : known;
}

/** Adds one message or a newer version of it; an older version changes nothing. */
export function withMessage(list: Message[], incoming: Message): Message[] {
  const at = list.findIndex((m) => m.id === incoming.id);
  if (at < 0) return byCreation([...list, incoming]);
  const kept = newer(list[at]!, incoming);
  return kept === list[at] ? list : list.with(at, kept);
}

export function withoutMessage(list: Message[], id: string): Message[] {
  return list.some((m) => m.id === id) ? list.filter((m) => m.id !== id) : list;
}

/**
 * Adds a page of history, which the service sends newest first. Of a message
 * that is already there the newer version stays.
 */
export function withPage(list: Message[], page: Message[]): Message[] {
  const known = new Map(list.map((m) => [m.id, m]));
  const fromPage = page
    .filter((m) => !m.control)
    .map((m) => newer(m, known.get(m.id) ?? m))
    .reverse();
  const inPage = new Set(fromPage.map((m) => m.id));
  return byCreation([...fromPage, ...list.filter((m) => !inPage.has(m.id))]);
}

/**
 * Replaces the messages that were there when a refetch began (`before`) by what
 * the refetch found: those it no longer found were deleted meanwhile. Messages
 * that arrived live during the refetch stay, and so do unstored ones.
 */
export function withRefetched(list: Message[], before: ReadonlySet<string>, found: Message[]): Message[] {
  const ids = new Set(found.map((m) => m.id));
  const gone = (m: Message) => before.has(m.id) && !ids.has(m.id) && m.persistent;
  return withPage(
    list.filter((m) => !gone(m)),
    found,
  );
}
