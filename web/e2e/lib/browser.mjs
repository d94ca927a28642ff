// Pages of a headless Chromium, watched for requests that leave the server and for complaints.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export class Browser {
  #launched;
  #watched = [];

  async start() {
    const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
    this.#launched = chromium.launch({ executablePath, args: quiet });
    await this.#launched;
  }

  async stop() {
    await (await this.#launched)?.close();
  }

  /** A person's own window; `hosts` are all that it may talk to. */
  async page(hosts, options = {}) {
    const context = await (await this.#launched).newContext({ ignoreHTTPSErrors: true, ...options });
    const page = await context.newPage();
    const seen = { stray: [], complaints: [] };
    const look = (url) => hosts.includes(new URL(url).host) || seen.stray.push(url);
    page.on("request", (request) => look(request.url()));
    page.on("websocket", (socket) => look(socket.url()));
    page.on("pageerror", (error) => seen.complaints.push(error.message));
    page.on("console", (m) => /content security policy|uncaught/i.test(m.text()) && seen.complaints.push(m.text()));
    this.#watched.push(seen);
    return page;
  }

  /** Nothing left the machine, and nothing broke unseen. */
  assertQuiet() {
    for (const seen of this.#watched) assert.deepEqual(seen, { stray: [], complaints: [] });
  }
}

/** The chat page as a user, in a channel, with a live socket. */
export async function chat(browser, origin, user, options) {
  const page = await browser.page([new URL(origin).host], options);
  await page.goto(`${origin}/chat/?user=${user}#general`);
  await connection(page, "live");
  await page.getByTestId("channel-title").waitFor();
  return page;
}

export async function connection(page, state, timeout = 20_000) {
  await page.locator(`[data-testid=connection-state][data-state=${state}]`).waitFor({ timeout });
}

export async function write(page, text) {
  await page.getByTestId("composer").fill(text);
  await page.keyboard.press("Enter");
}

/** The message with this text, once it is a message and not only on its way. */
export function message(page, text) {
  return page.getByTestId("message").filter({ hasText: text });
}

/** The messages on the page from top to bottom, as id and text. */
export function shown(page) {
  return page.getByTestId("message").evaluateAll((nodes) =>
    nodes.map((n) => [n.dataset.messageId, n.querySelector("[data-testid=message-content]")?.textContent]),
  );
}
