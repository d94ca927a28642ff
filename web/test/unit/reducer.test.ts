import { describe, expect, test } from "vitest";
import { reduce } from "../../src/state/reducer";
import { channelList, initialState, isUnread, joinableChannels, roomOf, type Action, type State } from "../../src/state/state";
import { alice, bob, channel, general, message, random } from "./fixtures";

function after(...actions: Action[]): State {
  return actions.reduce(reduce, initialState(alice));
}

const inGeneral: Action[] = [
  { type: "mine-loaded", channels: [channel(general), channel(random)] },
  { type: "selected", arn: general },
  { type: "history-loading", arn: general },
];
const fetched = (...items: ReturnType<typeof message>[]): Action => ({
  type: "history-refetched",
  arn: general,
  before: new Set(),
  page: { items },
});

describe("channels", () => {
  test("with the latest message come first", () => {
    const state = after(...inGeneral, { type: "message", message: message("a", 50, { channelArn: random }) });
    expect(channelList(state).map((c) => c.arn)).toEqual([random, general]);
  });

  test("are unread after somebody else's message, not after one's own", () => {
    const theirs = after(...inGeneral, { type: "message", message: message("a", 50) });
    expect(isUnread(theirs.mine.channels[general]!)).toBe(true);
    const own = after(...inGeneral, { type: "message", message: message("a", 50, { sender: alice }) });
    expect(isUnread(own.mine.channels[general]!)).toBe(false);
  });

  test("stay read when a slower answer carries an older marker", () => {
    const state = after(
      { type: "mine-loaded", channels: [channel(general, { lastMessageAt: 50 })] },
      { type: "read", arn: general, at: 50 },
      { type: "mine-loaded", channels: [channel(general, { lastMessageAt: 50, readAt: 20 })] },
    );
    expect(isUnread(state.mine.channels[general]!)).toBe(false);
  });

  test("already joined are not offered again", () => {
    const page = { items: [channel(general), channel("other")] };
    const state = after(...inGeneral, { type: "open-loaded", page, append: false });
    expect(joinableChannels(state).map((c) => c.arn)).toEqual(["other"]);
  });

  test("that are deleted disappear everywhere and close", () => {
    const state = after(...inGeneral, { type: "channel-gone", arn: general, deleted: true });
    expect(state.selected).toBeUndefined();
    expect(state.mine.channels[general]).toBeUndefined();
    expect(state.rooms[general]).toBeUndefined();
  });

  test("that are renamed keep their read marker", () => {
    const state = after(
      { type: "mine-loaded", channels: [channel(general, { lastMessageAt: 50, readAt: 50 })] },
      { type: "channel-updated", channel: channel(general, { name: "Renamed" }) },
    );
    expect(state.mine.channels[general]).toMatchObject({ name: "Renamed", lastMessageAt: 50, readAt: 50 });
  });
});

describe("messages", () => {
  test("that arrive while the first page loads are kept", () => {
    const state = after(...inGeneral, { type: "message", message: message("live", 90) }, fetched(message("old", 10)));
    expect(roomOf(state, general).messages.map((m) => m.id)).toEqual(["old", "live"]);
  });

  test("older than the pages loaded so far wait for their page", () => {
    const page: Action = { type: "history-refetched", arn: general, before: new Set(), page: { items: [message("b", 50)], next: "t" } };
    const state = after(...inGeneral, page, { type: "message", message: message("a", 10, { updatedAt: 99, edited: true }) });
    expect(roomOf(state, general).messages.map((m) => m.id)).toEqual(["b"]);
  });

  test("end the typing hint of their sender", () => {
    const state = after(
      ...inGeneral,
      { type: "typing", arn: general, who: bob, until: 3000 },
      { type: "message", message: message("a", 50) },
    );
    expect(roomOf(state, general).typing).toEqual([]);
  });
});

describe("typing", () => {
  test("of oneself is not shown, of others until its time is over", () => {
    const own = after(...inGeneral, { type: "typing", arn: general, who: alice, until: 3000 });
    expect(roomOf(own, general).typing).toEqual([]);
    const other = after(...inGeneral, { type: "typing", arn: general, who: bob, until: 3000 });
    expect(roomOf(other, general).typing).toHaveLength(1);
    expect(roomOf(reduce(other, { type: "typing-ends", now: 3001 }), general).typing).toEqual([]);
  });
});

describe("the outbox", () => {
  const queued: Action = { type: "outbox-added", arn: general, token: "t", text: "hi", mentions: [] };
  const accepted: Action = { type: "outbox-changed", arn: general, token: "t", to: { state: "accepted", messageId: "m" } };
  const arrives: Action = { type: "message", message: message("m", 50, { sender: alice }) };

  test.each([
    ["event after answer", [accepted, arrives]],
    ["answer after event", [arrives, accepted]],
  ])("gives a text away once its message is seen: %s", (_name, order) => {
    const state = after(...inGeneral, fetched(), queued, ...order);
    expect(roomOf(state, general).outbox).toEqual([]);
    expect(roomOf(state, general).messages.map((m) => m.id)).toEqual(["m"]);
  });

  test("survives a gap in the connection", () => {
    const state = after(...inGeneral, queued, { type: "rooms-stale", except: undefined });
    expect(roomOf(state, general).outbox.map((o) => o.text)).toEqual(["hi"]);
  });
});

describe("problems", () => {
  test("that repeat are shown once, and only the latest few are kept", () => {
    const raise = (id: number, text: string): Action => ({ type: "problem", problem: { id, text } });
    const state = after(raise(1, "a"), raise(2, "a"), raise(3, "b"), raise(4, "c"), raise(5, "d"));
    expect(state.problems.map((p) => p.text)).toEqual(["b", "c", "d"]);
    expect(reduce(state, { type: "problem-dismissed", id: 4 }).problems.map((p) => p.text)).toEqual(["b", "d"]);
  });
});
