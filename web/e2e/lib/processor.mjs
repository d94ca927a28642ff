// A processor of channel flows at an HTTP endpoint that takes each event and calls back when a test says so.
import { once } from "node:events";
import { createServer } from "node:http";

export class Processor {
  #server = createServer((request, response) => this.#take(request, response));
  #events = [];
  #asked = [];

  async start() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${this.#server.address().port}/`;
    return this;
  }

  async #take(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const event = JSON.parse(Buffer.concat(chunks).toString());
    response.writeHead(202).end();
    const waits = this.#asked.shift();
    if (waits) waits(event);
    else this.#events.push(event);
  }

  /** The next event that it was invoked with. */
  next() {
    return this.#events.length > 0 ? this.#events.shift() : new Promise((resolve) => this.#asked.push(resolve));
  }

  stop() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
