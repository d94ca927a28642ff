// Clients that bring a WebSocket of their own. Each can `stay` until an event says "done", telling
// when it is `ready` and what it had seen when it `ended`, or `leave` as the server wants it to.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import WebSocket from "ws";

/** A promise, and how it ends. */
function later() {
  let resolve, reject;
  const promise = new Promise((...ends) => ([resolve, reject] = ends));
  return { promise, resolve, reject };
}

/** npm's ws. What it has `seen` so far is told too. */
export class Npm {
  constructor(deflate) {
    this.deflate = deflate;
    this.name = `ws ${deflate ? "with" : "without"} deflate`;
  }

  #open(server, url) {
    return new WebSocket(url, { perMessageDeflate: this.deflate, ca: readFileSync(server.caFile) });
  }

  stay(server, url) {
    const ws = this.#open(server, url);
    const seen = { contents: [], pings: 0 };
    const ready = later();
    const ended = later();
    ws.on("error", (error) => (ready.reject(error), ended.reject(error)));
    ws.on("upgrade", (response) => (seen.extensions = response.headers["sec-websocket-extensions"] ?? ""));
    ws.on("ping", () => seen.pings++);
    ws.on("pong", (payload) => String(payload) === "asked" && ready.resolve());
    ws.on("message", (text) => {
      const { Headers, Payload } = JSON.parse(text);
      if (!seen.first) {
        seen.first = Headers["x-amz-chime-event-type"];
        ws.send("heartbeat κόσμε");
        for (const [part, fin] of [["in ", false], ["three ", false], ["parts", true]]) ws.send(part, { fin });
        ws.send(Buffer.alloc(4096, 0xff));
        return ws.ping("asked");
      }
      const { Content } = JSON.parse(Payload);
      seen.contents.push(Content);
      if (Content === "done") ws.close(1000, "bye");
    });
    ws.on("close", (code) => ended.resolve({ ...seen, code }));
    return { seen, ready: ready.promise, ended: ended.promise };
  }

  leave(server, url, says) {
    const ws = this.#open(server, url);
    ws.on("open", () => says && ws.send("*".repeat(says)));
    return new Promise((resolve, reject) => {
      ws.on("error", reject);
      ws.on("close", (code, reason) => resolve({ code, reason: String(reason) }));
    });
  }
}

const python = "/usr/bin/python3"; // the one that Debian's packages are for

export const hasPython = spawnSync(python, ["-c", "import websockets"]).status === 0;

/** Debian's python3-websockets, in a process of its own. */
export class Python {
  constructor(deflate) {
    this.deflate = deflate;
    this.name = `python3-websockets ${deflate ? "with" : "without"} deflate`;
  }

  #run(server, job) {
    const child = spawn(python, [join(import.meta.dirname, "../websockets_job.py"), JSON.stringify({ ...job, deflate: this.deflate }), server.caFile]);
    let complaint = "";
    child.stderr.on("data", (chunk) => (complaint += chunk));
    const ready = later();
    const ended = later();
    let last;
    createInterface({ input: child.stdout }).on("line", (line) => (line === "ready" ? ready.resolve() : (last = line)));
    child.on("close", (code) => {
      const error = new Error(`${this.name}: ${complaint}`);
      if (code !== 0 || !last) return ready.reject(error), ended.reject(error);
      ready.resolve();
      ended.resolve(JSON.parse(last));
    });
    return { ready: ready.promise, ended: ended.promise };
  }

  stay(server, url) {
    return this.#run(server, { url });
  }

  leave(server, url, says) {
    return this.#run(server, { url, says }).ended;
  }
}

/** Chromium, which always offers to compress. It shows neither pings nor pongs to a page. */
export class Chromium {
  name = "Chromium";
  deflate = true;

  constructor(browser, site) {
    this.browser = browser;
    this.site = site;
  }

  async #page(server) {
    const page = await this.browser.page([this.site.host, new URL(server.http).host]);
    await page.goto(this.site.origin);
    return page;
  }

  stay(server, url) {
    const page = this.#page(server);
    const ready = page.then((page) =>
      page.evaluate((url) => {
        const ws = new WebSocket(url);
        const seen = { contents: [] };
        window.ended = new Promise((resolve) => (ws.onclose = ({ code, wasClean }) => resolve({ ...seen, extensions: ws.extensions, code, wasClean })));
        return new Promise((resolve, reject) => {
          window.ended.then((end) => reject(new Error(JSON.stringify(end))));
          ws.onmessage = ({ data }) => {
            const { Headers, Payload } = JSON.parse(data);
            if (!seen.first) {
              seen.first = Headers["x-amz-chime-event-type"];
              ws.send("heartbeat κόσμε");
              ws.send(new Uint8Array(4096).fill(0xff));
              return resolve();
            }
            const { Content } = JSON.parse(Payload);
            seen.contents.push(Content);
            if (Content === "done") ws.close(1000, "bye");
          };
        });
      }, url),
    );
    const ended = ready.then(async () => {
      const end = await (await page).evaluate(() => window.ended);
      assert.ok(end.wasClean);
      return end;
    });
    return { ready, ended };
  }

  async leave(server, url, says) {
    const page = await this.#page(server);
    return page.evaluate(
      ([url, says]) => {
        const ws = new WebSocket(url);
        ws.onopen = () => says && ws.send("*".repeat(says));
        return new Promise((resolve) => (ws.onclose = ({ code, reason }) => resolve({ code, reason })));
      },
      [url, says],
    );
  }
}
