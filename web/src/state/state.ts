import type { Channel, Message, Page, Person } from "../model/types";
import type { ConnectionState } from "../live/session";

/** A text on its way to the server; it stays until its message is seen or it is discarded. */
export interface Outgoing {
  token: string;
  text: string;
  /** ARNs of the members that it mentions. */
  mentions: string[];
  state: "waiting" | "sending" | "failed" | "accepted";
  /** Known once the server accepted it. */
  messageId?: string;
  error?: string;
}

export type Loading = "no" | "busy" | "done" | "failed";

/** What is known of one channel's inside. */
export interface Room {
  history: Loading;
  messages: Message[];
  /** Token of the next older page. */
  older?: string | undefined;
  loadingOlder: boolean;
  roster: Loading;
  members: Person[];
  moreMembers?: string | undefined;
  /** Who is typing, with the time at which the hint ends. */
  typing: { who: Person; until: number }[];
  outbox: Outgoing[];
  draft: string;
}

export interface Problem {
  id: number;
  text: string;
}

export interface State {
  me: Person;
  connection: { state: ConnectionState; reason?: string | undefined };
  mine: { loading: Loading; channels: Record<string, Channel> };
  open: { loading: Loading; channels: Channel[]; more?: string | undefined };
  selected?: string | undefined;
  rooms: Record<string, Room>;
  problems: Problem[];
}

export type Action =
  | { type: "connection"; state: ConnectionState; reason?: string | undefined }
  | { type: "mine-loading" }
  | { type: "mine-loaded"; channels: Channel[] }
  | { type: "mine-failed" }
  | { type: "open-loading" }
  | { type: "open-loaded"; page: Page<Channel>; append: boolean }
  | { type: "open-failed" }
  | { type: "channel-known"; channel: Channel }
  | { type: "channel-updated"; channel: Channel }
  | { type: "channel-gone"; arn: string; deleted: boolean }
  | { type: "selected"; arn: string | undefined }
  | { type: "read"; arn: string; at: number }
  | { type: "history-loading"; arn: string }
  | { type: "history-refetched"; arn: string; before: ReadonlySet<string>; page: Page<Message> }
  | { type: "history-failed"; arn: string }
  | { type: "older-loading"; arn: string }
  | { type: "older-loaded"; arn: string; page: Page<Message> }
  | { type: "older-failed"; arn: string }
  | { type: "rooms-stale"; except: string | undefined }
  | { type: "roster-loading"; arn: string }
  | { type: "roster-loaded"; arn: string; page: Page<Person>; append: boolean }
  | { type: "roster-failed"; arn: string }
  | { type: "members-added"; arn: string; members: Person[] }
  | { type: "member-removed"; arn: string; memberArn: string }
  | { type: "message"; message: Message }
  | { type: "message-deleted"; arn: string; messageId: string }
  | { type: "typing"; arn: string; who: Person; until: number }
  | { type: "typing-ends"; now: number }
  | { type: "draft"; arn: string; text: string }
  | { type: "outbox-added"; arn: string; token: string; text: string; mentions: string[] }
  | { type: "outbox-changed"; arn: string; token: string; to: Omit<Outgoing, "token" | "text" | "mentions"> }
  | { type: "outbox-removed"; arn: string; token: string }
  | { type: "problem"; problem: Problem }
  | { type: "problem-dismissed"; id: number };

export const emptyRoom: Room = {
  history: "no",
  messages: [],
  loadingOlder: false,
  roster: "no",
  members: [],
  typing: [],
  outbox: [],
  draft: "",
};

export function initialState(me: Person): State {
  return {
    me,
    connection: { state: "connecting" },
    mine: { loading: "no", channels: {} },
    open: { loading: "no", channels: [] },
    rooms: {},
    problems: [],
  };
}

export function roomOf(state: State, arn: string): Room {
  return state.rooms[arn] ?? emptyRoom;
}

/** The person's channels, those with the latest message first. */
export function channelList(state: State): Channel[] {
  return Object.values(state.mine.channels).sort(
    (a, b) => (b.lastMessageAt ?? 0) - (a.lastMessageAt ?? 0) || a.name.localeCompare(b.name),
  );
}

/** Public channels that the person is not in. */
export function joinableChannels(state: State): Channel[] {
  return state.open.channels.filter((c) => state.mine.channels[c.arn] === undefined);
}

export function isUnread(channel: Channel): boolean {
  return channel.lastMessageAt !== undefined && channel.lastMessageAt > (channel.readAt ?? 0);
}
