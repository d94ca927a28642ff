import type { Channel, Message } from "../model/types";
import { withMessage, withoutMessage, withPage, withRefetched } from "./messages";
import { emptyRoom, roomOf, type Action, type Outgoing, type Room, type State } from "./state";

const keptProblems = 3;

/** The next state; pure, and the same object when nothing changed. */
export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "connection":
      return { ...state, connection: { state: action.state, reason: action.reason } };

    case "mine-loading":
      return state.mine.loading === "done" ? state : { ...state, mine: { ...state.mine, loading: "busy" } };
    case "mine-loaded":
      return withMine(state, action.channels);
    case "mine-failed":
      return state.mine.loading === "done" ? state : { ...state, mine: { ...state.mine, loading: "failed" } };

    case "open-loading":
      return { ...state, open: { ...state.open, loading: "busy" } };
    case "open-loaded": {
      const before = action.append ? state.open.channels : [];
      const channels = uniqueBy([...before, ...action.page.items], (c) => c.arn);
      return { ...state, open: { loading: "done", channels, more: action.page.next } };
    }
    case "open-failed":
      return { ...state, open: { ...state.open, loading: "failed" } };

    case "channel-known":
      return withChannel(state, { ...state.mine.channels[action.channel.arn], ...action.channel });
    case "channel-updated":
      return withUpdatedChannel(state, action.channel);
    case "channel-gone":
      return withoutChannel(state, action.arn, action.deleted);
    case "selected":
      return { ...state, selected: action.arn };
    case "read":
      return withRead(state, action.arn, action.at);

    case "history-loading":
      return inRoom(state, action.arn, (room) => (room.history === "done" ? room : { ...room, history: "busy" }));
    case "history-refetched":
      return inRoom(state, action.arn, (room) => {
        const messages = withRefetched(room.messages, action.before, action.page.items);
        return settled({ ...room, history: "done", older: action.page.next, messages });
      });
    case "history-failed":
      return inRoom(state, action.arn, (room) => (room.history === "done" ? room : { ...room, history: "failed" }));
    case "older-loading":
      return inRoom(state, action.arn, (room) => ({ ...room, loadingOlder: true }));
    case "older-loaded":
      return inRoom(state, action.arn, (room) => ({
        ...room,
        loadingOlder: false,
        older: action.page.next,
        messages: withPage(room.messages, action.page.items),
      }));
    case "older-failed":
      return inRoom(state, action.arn, (room) => ({ ...room, loadingOlder: false }));
    case "rooms-stale":
      return { ...state, rooms: staleRooms(state.rooms, action.except) };

    case "roster-loading":
      return inRoom(state, action.arn, (room) => ({ ...room, roster: "busy" }));
    case "roster-loaded":
      return inRoom(state, action.arn, (room) => {
        const members = uniqueBy([...(action.append ? room.members : []), ...action.page.items], (m) => m.arn);
        return { ...room, roster: "done", members, moreMembers: action.page.next };
      });
    case "roster-failed":
      return inRoom(state, action.arn, (room) => ({ ...room, roster: "failed" }));
    case "members-added":
      return inLoadedRoster(state, action.arn, (room) => ({
        ...room,
        members: uniqueBy([...room.members, ...action.members], (m) => m.arn),
      }));
    case "member-removed":
      return inLoadedRoster(state, action.arn, (room) => ({
        ...room,
        members: room.members.filter((m) => m.arn !== action.memberArn),
        typing: room.typing.filter((t) => t.who.arn !== action.memberArn),
      }));

    case "message":
      return withIncoming(state, action.message);
    case "message-deleted":
      return inRoom(state, action.arn, (room) => ({ ...room, messages: withoutMessage(room.messages, action.messageId) }));

    case "typing":
      if (action.who.arn === state.me.arn) return state;
      return inRoom(state, action.arn, (room) => {
        const others = room.typing.filter((t) => t.who.arn !== action.who.arn);
        return { ...room, typing: [...others, { who: action.who, until: action.until }] };
      });
    case "typing-ends":
      return withoutOldTyping(state, action.now);

    case "draft":
      return inRoom(state, action.arn, (room) => ({ ...room, draft: action.text }));
    case "outbox-added":
      return inRoom(state, action.arn, (room) => {
        const entry: Outgoing = { token: action.token, text: action.text, mentions: action.mentions, state: "waiting" };
        return { ...room, outbox: [...room.outbox, entry] };
      });
    case "outbox-changed":
      return inRoom(state, action.arn, (room) => {
        const change = (o: Outgoing): Outgoing =>
          o.token === action.token ? { token: o.token, text: o.text, mentions: o.mentions, ...action.to } : o;
        return settled({ ...room, outbox: room.outbox.map(change) });
      });
    case "outbox-removed":
      return inRoom(state, action.arn, (room) => ({
        ...room,
        outbox: room.outbox.filter((o) => o.token !== action.token),
      }));

    case "problem": {
      const others = state.problems.filter((p) => p.text !== action.problem.text);
      return { ...state, problems: [...others, action.problem].slice(-keptProblems) };
    }
    case "problem-dismissed":
      return { ...state, problems: state.problems.filter((p) => p.id !== action.id) };
  }
}

function inRoom(state: State, arn: string, change: (room: Room) => Room): State {
  const before = roomOf(state, arn);
  const after = change(before);
  return after === before ? state : { ...state, rooms: { ...state.rooms, [arn]: after } };
}

/** Changes a roster only where there is one; one that is fetched later is complete by itself. */
function inLoadedRoster(state: State, arn: string, change: (room: Room) => Room): State {
  const room = state.rooms[arn];
  return room === undefined || room.roster === "no" ? state : inRoom(state, arn, change);
}

function withMine(state: State, channels: Channel[]): State {
  const mine: Record<string, Channel> = {};
  for (const channel of channels) {
    const readAt = latest(channel.readAt, state.mine.channels[channel.arn]?.readAt);
    mine[channel.arn] = { ...channel, readAt };
  }
  const rooms = Object.fromEntries(Object.entries(state.rooms).filter(([arn]) => mine[arn] !== undefined));
  const selected = state.selected !== undefined && mine[state.selected] ? state.selected : undefined;
  return { ...state, mine: { loading: "done", channels: mine }, rooms, selected };
}

function withChannel(state: State, channel: Channel): State {
  return { ...state, mine: { ...state.mine, channels: { ...state.mine.channels, [channel.arn]: channel } } };
}

function withUpdatedChannel(state: State, channel: Channel): State {
  const known = state.mine.channels[channel.arn];
  if (known === undefined) return state;
  const lastMessageAt = latest(known.lastMessageAt, channel.lastMessageAt);
  return withChannel(state, { ...known, ...channel, lastMessageAt, readAt: known.readAt });
}

function withoutChannel(state: State, arn: string, deleted: boolean): State {
  const { [arn]: _channel, ...channels } = state.mine.channels;
  const { [arn]: _room, ...rooms } = state.rooms;
  const open = deleted ? { ...state.open, channels: state.open.channels.filter((c) => c.arn !== arn) } : state.open;
  const selected = state.selected === arn ? undefined : state.selected;
  return { ...state, mine: { ...state.mine, channels }, rooms, open, selected };
}

function withRead(state: State, arn: string, at: number): State {
  const channel = state.mine.channels[arn];
  return channel === undefined ? state : withChannel(state, { ...channel, readAt: latest(channel.readAt, at) });
}

/**
 * A message or a new version of one. A room that was not fetched yet keeps
 * nothing, its history brings the message; the channel's own entry moves in any case.
 */
function withIncoming(state: State, message: Message): State {
  const { channelArn } = message;
  let next = state;
  if (state.rooms[channelArn] !== undefined) {
    next = inRoom(state, channelArn, (room) =>
      settled({
        ...room,
        messages: isInReach(room, message) ? withMessage(room.messages, message) : room.messages,
        typing: room.typing.filter((t) => t.who.arn !== message.sender.arn),
      }),
    );
  }
  const channel = next.mine.channels[channelArn];
  if (channel === undefined || !message.persistent || message.status !== "SENT") return next;
  const lastMessageAt = latest(channel.lastMessageAt, message.createdAt);
  const readAt = message.sender.arn === state.me.arn ? latest(channel.readAt, message.createdAt) : channel.readAt;
  return withChannel(next, { ...channel, lastMessageAt, readAt });
}

/** False for what a later fetch will bring: before the first page, or older than the pages loaded so far. */
function isInReach(room: Room, message: Message): boolean {
  if (room.history === "no") return false;
  const oldest = room.messages[0];
  return room.older === undefined || oldest === undefined || message.createdAt >= oldest.createdAt;
}

/** Accepted texts leave the outbox once their message is in the list. */
function settled(room: Room): Room {
  if (!room.outbox.some((o) => o.state === "accepted")) return room;
  const ids = new Set(room.messages.map((m) => m.id));
  const outbox = room.outbox.filter((o) => o.messageId === undefined || !ids.has(o.messageId));
  return { ...room, outbox };
}

/** After a gap only the open room is refetched; the others keep what the person typed and are fetched when opened. */
function staleRooms(rooms: Record<string, Room>, except: string | undefined): Record<string, Room> {
  return Object.fromEntries(
    Object.entries(rooms).map(([arn, room]) => {
      if (arn === except) return [arn, room];
      return [arn, { ...emptyRoom, outbox: room.outbox, draft: room.draft }];
    }),
  );
}

function withoutOldTyping(state: State, now: number): State {
  let changed = false;
  const rooms = Object.fromEntries(
    Object.entries(state.rooms).map(([arn, room]) => {
      const typing = room.typing.filter((t) => t.until > now);
      if (typing.length === room.typing.length) return [arn, room];
      changed = true;
      return [arn, { ...room, typing }];
    }),
  );
  return changed ? { ...state, rooms } : state;
}

function latest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.max(a, b);
}

/** Keeps the place of the first and the content of the last with the same key. */
function uniqueBy<T>(items: T[], key: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()];
}
