// Stands before a server as a gateway does, with TLS of its own, and breaks connections in the ways
// of networks: cleanly with any close code, abruptly, silently, or by reading too slowly.
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { createSecureContext, TLSSocket } from "node:tls";

export class Proxy {
  links = new Set();
  refused = 0; // connections while the network was down
  #down = false;
  #to;
  #secureContext;
  #listener = createServer((raw) => this.#accept(raw));

  async start() {
    await new Promise((resolve) => this.#listener.listen(0, "127.0.0.1", resolve));
    this.host = `localhost:${this.#listener.address().port}`;
  }

  /** From now on it stands before the server of this port and data folder. */
  before(port, data) {
    const file = (name) => readFileSync(join(data, "tls", name));
    this.#to = port;
    this.#secureContext = createSecureContext({ key: file("server-key.pem"), cert: file("server.pem") });
  }

  stop() {
    this.#listener.close();
    for (const link of this.links) link.cut();
  }

  #accept(raw) {
    if (this.#down) {
      this.refused++;
      raw.resetAndDestroy();
      return;
    }
    const near = new TLSSocket(raw, { isServer: true, secureContext: this.#secureContext });
    const link = new Link(raw, near, connect(this.#to, "127.0.0.1"));
    this.links.add(link);
    near.on("close", () => this.links.delete(link));
  }

  /** The open WebSocket with this sessionId. */
  socket(sessionId) {
    const link = [...this.links].find((one) => one.sessionId === sessionId);
    if (!link) throw new Error(`no WebSocket of session ${sessionId} is open`);
    return link;
  }

  /** Cuts every connection and lets none come until `up`. */
  down() {
    this.#down = true;
    for (const link of this.links) link.cut();
  }

  up() {
    this.#down = false;
  }
}

/** One connection through the proxy; near is the client's side. */
class Link {
  sessionId; // of a WebSocket
  lost = false; // the server's side has ended
  #raw;
  #near;
  #far;
  #held; // what came while nothing passes

  constructor(raw, near, far) {
    this.#raw = raw;
    this.#near = near;
    this.#far = far;
    near.once("data", (chunk) => (this.sessionId = /^GET \/connect\?\S*sessionId=([^& ]*)/.exec(chunk.toString("latin1"))?.[1]));
    near.on("data", (chunk) => this.#pass(far, near, chunk));
    far.on("data", (chunk) => this.#pass(near, far, chunk));
    near.on("close", () => this.keep || far.destroy());
    far.on("close", () => {
      this.lost = true;
      if (!this.#held) near.end();
    });
    for (const one of [raw, near, far]) one.on("error", () => {}); // what is broken on purpose also ends with "close"
  }

  #pass(to, from, chunk) {
    if (this.#held) {
      this.#held.push([to, chunk]);
    } else if (!to.destroyed && !to.write(chunk)) {
      from.pause();
      to.once("drain", () => from.resume());
    }
  }

  /** Ends the client's side as the server would, with a close frame. Nothing may be passing. */
  close(code) {
    this.#near.end(Buffer.from([0x88, 2, code >> 8, code & 0xff]));
    this.#far.destroy();
  }

  /** Ends both sides without a word. */
  cut() {
    this.#raw.resetAndDestroy();
    this.#far.destroy();
  }

  /** Ends the client's side without a word; the server is not told. */
  forsake() {
    this.keep = true;
    this.#raw.resetAndDestroy();
  }

  /** Passes nothing any more, in neither direction, until `mend`. */
  silence() {
    this.#held = [];
  }

  /** Passes what was held, and the news if the server gave up meanwhile. */
  mend() {
    const held = this.#held;
    this.#held = undefined;
    for (const [to, chunk] of held) if (!to.destroyed) to.write(chunk);
    if (this.lost) this.#near.end();
  }

  /** Takes nothing from the server until `drain`. */
  clog() {
    this.#far.pause();
  }

  drain() {
    this.#far.resume();
  }
}
