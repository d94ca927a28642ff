import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { beforeEach, describe, expect, test } from "vitest";
import { general } from "./fixtures";

// The service worker as the browser runs it, with what it is given there.

const source = readFileSync(join(import.meta.dirname, "../../public/push.js"), "utf8");
const scope = "https://chat.example/chat/";

interface Shown {
  title: string;
  options: { body: string; tag?: string; renotify?: boolean; data: { channel?: string } };
}

class Worker {
  readonly shown: Shown[] = [];
  readonly badges: number[] = [];
  readonly opened: string[] = [];
  readonly told: unknown[] = [];
  windows: string[] = [];
  private readonly listeners = new Map<string, (event: object) => void>();

  constructor() {
    const self = {
      addEventListener: (type: string, listener: (event: object) => void) => this.listeners.set(type, listener),
      registration: {
        scope,
        showNotification: async (title: string, options: Shown["options"]) => void this.shown.push({ title, options }),
      },
      navigator: { setAppBadge: async (n: number) => void this.badges.push(n) },
      clients: {
        matchAll: async () =>
          this.windows.map((url) => ({ url, focus: async () => this.told.push("focus"), postMessage: (message: unknown) => this.told.push(message) })),
        openWindow: async (url: string) => void this.opened.push(url),
      },
    };
    runInNewContext(source, { self });
  }

  async hear(type: string, event: object): Promise<void> {
    let work: Promise<unknown> = Promise.resolve();
    this.listeners.get(type)!({ ...event, waitUntil: (p: Promise<unknown>) => (work = p) });
    await work;
  }

  push(text: string): Promise<void> {
    return this.hear("push", { data: { text: () => text } });
  }

  async click(channel: string | undefined): Promise<void> {
    await this.hear("notificationclick", { notification: { close: () => this.told.push("close"), data: { channel } } });
  }
}

const body = JSON.stringify({ "chime.message_id": "m", "chime.channel_arn": general });
const data = { "pinpoint.notification.title": "Bob", "pinpoint.notification.body": "Hi", "pinpoint.jsonBody": body };

let worker: Worker;
beforeEach(() => {
  worker = new Worker();
});

describe("what is pushed", () => {
  test("is shown with the keys of Pinpoint, in the place of what the channel had before", async () => {
    await worker.push(JSON.stringify({ data, tag: "t", badge: 3 }));
    expect(worker.shown).toEqual([{ title: "Bob", options: { body: "Hi", tag: "t", renotify: true, data: { channel: general } } }]);
    expect(worker.badges).toEqual([3]);
  });

  test("is shown whatever it is, since a browser asks for that", async () => {
    for (const text of ["", "null", "x", "{}", JSON.stringify({ data: { "pinpoint.jsonBody": "x" } })]) await worker.push(text);
    expect(worker.shown.map(({ title, options }) => [title, options.body, options.data.channel])).toEqual(
      Array.from({ length: 5 }, () => ["New message", "", undefined]),
    );
    expect(worker.badges).toEqual([]);
  });
});

describe("a click", () => {
  test("opens the channel in a new window when there is none", async () => {
    worker.windows = ["https://chat.example/other"];
    await worker.click(general);
    expect(worker.opened).toEqual([`${scope}#general`]);
    expect(worker.told).toEqual(["close"]);
  });

  test("goes to the window that is there", async () => {
    worker.windows = [`${scope}?user=bob#random`];
    await worker.click(general);
    expect(worker.opened).toEqual([]);
    expect(worker.told).toEqual(["close", { open: general }, "focus"]);
  });

  test("opens the page where the channel is not known", async () => {
    await worker.click(undefined);
    expect(worker.opened).toEqual([scope]);
  });
});
