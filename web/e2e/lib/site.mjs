// The built pages of e2e/pages, served from an origin that is not the server's.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { work } from "./server.mjs";

const types = { ".html": "text/html", ".js": "text/javascript" };

export class Site {
  #server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, "http://page").pathname);
    const file = join(work, "pages", path === "/" ? "index.html" : path);
    const body = await readFile(file).catch(() => undefined);
    response.writeHead(body ? 200 : 404, { "content-type": types[extname(file)] ?? "text/plain" }).end(body);
  });

  async start() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.host = `127.0.0.1:${this.#server.address().port}`;
    this.origin = `http://${this.host}`;
  }

  stop() {
    this.#server.close();
  }
}
