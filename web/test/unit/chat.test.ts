import { describe, expect, test, vi } from "vitest";
import type { ChatApi } from "../../src/api/chat";
import type { LiveHandlers } from "../../src/live/session";
import type { Message } from "../../src/model/types";
import { Chat } from "../../src/state/chat";
import { initialState, roomOf } from "../../src/state/state";
import { Store } from "../../src/state/store";
import { alice, bob, channel, general, message } from "./fixtures";

/** A chat on an API of plain lists, with the socket in the test's hands. */
function setUp(api: Partial<ChatApi> = {}) {
  const store = new Store(initialState(alice));
  let live: LiveHandlers | undefined;
  const stop = vi.fn();
  const full = {
    myChannels: async () => [channel(general)],
    publicChannels: async () => ({ items: [] }),
    messages: async () => ({ items: [] }),
    members: async () => ({ items: [alice, bob] }),
    describeChannel: async (arn: string) => channel(arn),
    markRead: async () => undefined,
    sendTyping: async () => undefined,
    ...api,
  } as ChatApi;
  const connect = (handlers: LiveHandlers) => {
    live = handlers;
    return { start: () => handlers.onState("connecting"), stop };
  };
  const chat = new Chat(store, full, connect, () => true);
  chat.start();
  return { chat, store, stop, live: () => live!, room: () => roomOf(store.get(), general) };
}

async function openGeneral(set: ReturnType<typeof setUp>): Promise<void> {
  set.live().onState("live");
  await vi.waitUntil(() => set.store.get().mine.loading === "done");
  set.chat.select(general);
  await vi.waitUntil(() => set.room().history === "done");
}

describe("sending", () => {
  test("keeps the order of typing, one call at a time", async () => {
    const sent: string[] = [];
    let running = 0;
    const set = setUp({
      send: async (_arn, text) => {
        expect(++running).toBe(1);
        await Promise.resolve();
        running--;
        return `id-${sent.push(text)}`;
      },
    });
    await openGeneral(set);
    for (const text of ["one", "two", "three"]) set.chat.send(general, text);
    await vi.waitUntil(() => sent.length === 3);
    expect(sent).toEqual(["one", "two", "three"]);
  });

  test("mentions the members whose names stand behind an @", async () => {
    const sent: string[][] = [];
    const set = setUp({ send: async (_arn, text, _token, mentions) => `id-${sent.push([text, ...mentions])}` });
    await openGeneral(set);
    await vi.waitUntil(() => set.room().roster === "done");
    set.chat.send(general, "hello @bob");
    set.chat.send(general, "hello bob");
    await vi.waitUntil(() => sent.length === 2);
    expect(sent).toEqual([["hello @bob", bob.arn], ["hello bob"]]);
  });

  test("that fails keeps this and later texts, and retries with the same token", async () => {
    const tokens: string[] = [];
    let failing = true;
    const set = setUp({
      send: async (_arn, text, token) => {
        tokens.push(`${text} ${token}`);
        if (failing) throw new Error("no luck");
        return `id-${tokens.length}`;
      },
    });
    await openGeneral(set);
    set.chat.send(general, "one");
    set.chat.send(general, "two");
    await vi.waitUntil(() => set.room().outbox[0]?.state === "failed");
    expect(set.room().outbox.map((o) => [o.text, o.state])).toEqual([
      ["one", "failed"],
      ["two", "waiting"],
    ]);
    expect(set.room().outbox[0]?.error).toContain("no luck");

    failing = false;
    set.chat.retry(general, set.room().outbox[0]!.token);
    await vi.waitUntil(() => set.room().outbox.every((o) => o.state === "accepted"));
    expect(tokens[1]).toBe(tokens[0]);
    expect(tokens).toHaveLength(3);
  });

  test("that is given up brings the text back in front of what was typed since", async () => {
    const set = setUp({ send: () => Promise.reject(new Error("no luck")) });
    await openGeneral(set);
    set.chat.send(general, "lost?");
    await vi.waitUntil(() => set.room().outbox[0]?.state === "failed");
    set.chat.setDraft(general, "next");
    set.chat.takeBack(general, set.room().outbox[0]!.token);
    expect(set.room().draft).toBe("lost?\nnext");
    expect(set.room().outbox).toEqual([]);
  });
});

describe("the read marker", () => {
  const own = (more: Partial<Message> = {}) => ({ ...message("own", 50), sender: alice, ...more });
  const news = (arn: string, more: Partial<Message> = {}) => ({ kind: "message", message: own({ channelArn: arn, ...more }) }) as const;

  async function marks(act: (set: ReturnType<typeof setUp>) => void): Promise<string[]> {
    vi.useFakeTimers();
    try {
      const marked: string[] = [];
      const set = setUp({ markRead: async (arn) => void marked.push(arn), send: async () => "own" });
      set.live().onState("live");
      await vi.runAllTimersAsync();
      set.chat.select(general);
      await vi.runAllTimersAsync();
      marked.length = 0;
      act(set);
      await vi.runAllTimersAsync();
      return marked;
    } finally {
      vi.useRealTimers();
    }
  }

  test("is moved on the server, once, by a message that is sent here", async () => {
    const marked = await marks((set) => {
      set.chat.send(general, "own");
      set.live().onEvent(news(general));
    });
    expect(marked).toEqual([general]);
  });

  test("is moved by an own message of another client, wherever it was written", async () => {
    expect(await marks((set) => set.live().onEvent(news(general)))).toEqual([general]);
    const elsewhere = await marks((set) => {
      set.chat.select(undefined);
      set.live().onEvent(news(general));
    });
    expect(elsewhere).toEqual([general]);
  });

  test("is moved neither by what others write elsewhere nor by what nobody reads", async () => {
    const marked = await marks((set) => {
      set.chat.select(undefined);
      set.live().onEvent(news(general, { sender: bob }));
      set.live().onEvent(news(general, { persistent: false }));
      set.live().onEvent(news(general, { status: "FAILED" } as Partial<Message>));
    });
    expect(marked).toEqual([]);
  });
});

describe("after a gap", () => {
  test("everything missed appears, down to the oldest message shown", async () => {
    const stored: Message[] = [message("a", 10), message("b", 20)];
    const calls: (string | undefined)[] = [];
    const set = setUp({
      // Two to a page, newest first; the token is the place to go on.
      messages: async (_arn, next) => {
        calls.push(next);
        const newestFirst = [...stored].reverse();
        const from = Number(next ?? 0);
        const end = from + 2 < newestFirst.length ? String(from + 2) : undefined;
        return { items: newestFirst.slice(from, from + 2), next: end };
      },
    });
    await openGeneral(set);
    expect(set.room().messages.map((m) => m.id)).toEqual(["a", "b"]);

    set.live().onState("reconnecting");
    stored.splice(0, 1, message("a", 10, { content: "edited", edited: true, updatedAt: 99 }));
    stored.push(...[30, 40, 50].map((t) => message(`m${t}`, t)));
    calls.length = 0;
    set.live().onState("live");
    await vi.waitUntil(() => set.room().messages.length === 5);
    expect(set.room().messages.map((m) => m.id)).toEqual(["a", "b", "m30", "m40", "m50"]);
    expect(set.room().messages[0]?.content).toBe("edited");
    expect(calls).toEqual([undefined, "2", "4"]);
  });

  test("an answer that was overtaken by a later refetch is dropped", async () => {
    const answers: ((items: Message[]) => void)[] = [];
    const set = setUp({
      messages: () => new Promise((resolve) => answers.push((items) => resolve({ items }))),
    });
    set.live().onState("live");
    await vi.waitUntil(() => set.store.get().mine.loading === "done");
    set.chat.select(general);
    set.live().onState("live");
    await vi.waitUntil(() => answers.length === 2);
    answers[1]!([message("new", 20)]);
    await vi.waitUntil(() => set.room().history === "done");
    answers[0]!([message("deleted meanwhile", 10)]);
    await new Promise((resolve) => setTimeout(resolve));
    expect(set.room().messages.map((m) => m.id)).toEqual(["new"]);
  });
});

describe("without a socket", () => {
  test("the page shows what REST gives, and what was just sent", async () => {
    const stored: Message[] = [];
    const set = setUp({
      messages: async () => ({ items: [...stored].reverse() }),
      send: async (_arn, text) => {
        stored.push(message("m1", 10, { sender: alice, content: text }));
        return "m1";
      },
    });
    set.live().onState("stopped", "refused");
    await vi.waitUntil(() => set.store.get().mine.loading === "done");
    set.chat.select(general);
    await vi.waitUntil(() => set.room().history === "done");
    set.chat.send(general, "still here");
    await vi.waitUntil(() => set.room().messages.length === 1);
    expect(set.room().outbox).toEqual([]);
  });

  test("reconnecting ends the old session first", () => {
    const set = setUp();
    set.chat.reconnect();
    expect(set.stop).toHaveBeenCalledOnce();
  });
});

describe("membership events", () => {
  test("of oneself bring the channel with its name, or take it away and say so", async () => {
    const set = setUp({ describeChannel: async (arn) => channel(arn, { name: "Welcome" }) });
    await openGeneral(set);
    set.live().onEvent({ kind: "members-added", channelArn: "new", members: [alice] });
    await vi.waitUntil(() => set.store.get().mine.channels.new?.name === "Welcome");
    set.live().onEvent({ kind: "member-removed", channelArn: "new", member: alice });
    expect(set.store.get().mine.channels.new).toBeUndefined();
    expect(set.store.get().problems[0]?.text).toContain("Welcome");
  });

  test("after leaving by oneself raise no problem", async () => {
    const set = setUp({
      removeMember: async () => {
        set.live().onEvent({ kind: "member-removed", channelArn: general, member: alice });
      },
    });
    await openGeneral(set);
    await set.chat.leave(general);
    expect(set.store.get().problems).toEqual([]);
    expect(set.store.get().selected).toBeUndefined();
  });

  test("of others change the list of members", async () => {
    const set = setUp();
    await openGeneral(set);
    await vi.waitUntil(() => set.room().roster === "done");
    set.live().onEvent({ kind: "member-removed", channelArn: general, member: bob });
    expect(set.room().members).toEqual([alice]);
  });
});

test("a failing list is told in words with the exception's name, once", async () => {
  const failure = Object.assign(new Error("not now"), { name: "ServiceUnavailableException" });
  const set = setUp({ publicChannels: () => Promise.reject(failure) });
  await set.chat.loadOpen();
  await set.chat.loadOpen();
  const texts = set.store.get().problems.map((p) => p.text);
  expect(texts).toHaveLength(1);
  expect(texts[0]).toMatch(/could not be loaded.*ServiceUnavailableException: not now/);
});
