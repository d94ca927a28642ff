import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll } from "vitest";
import { StubServer } from "../stub/server";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface Person {
  page: Page;
  /** Addresses outside the server under test that the page asked for. */
  strayRequests: string[];
  /** Uncaught errors and complaints of the browser, such as refusals by the content policy. */
  complaints: string[];
}

/** One browser for all tests of a file; each person gets a context of their own in it. */
let browser: Promise<Browser> | undefined;
afterAll(async () => (await browser)?.close());

/** A stub server with three users and a channel, and the people who look at it. */
export class Harness {
  readonly server = new StubServer();
  private readonly contexts: BrowserContext[] = [];

  async start(): Promise<void> {
    const { world } = this.server;
    world.addUser("alice", "Alice Young");
    world.addUser("bob", "Bob");
    world.addUser("carol", "Carol");
    world.addChannel("general", "General", [world.userArn("alice"), world.userArn("bob")]);
    await this.server.start();
    browser ??= chromium.launch({ executablePath, args: quiet });
  }

  async stop(): Promise<void> {
    await Promise.all(this.contexts.map((c) => c.close()));
    await this.server.stop();
  }

  get general() {
    return [...this.server.world.channels.values()][0]!;
  }

  async open(path: string, options: BrowserContextOptions = {}): Promise<Person> {
    const context = await (await browser!).newContext(options);
    this.contexts.push(context);
    const page = await context.newPage();
    const person: Person = { page, strayRequests: [], complaints: [] };
    const { host } = new URL(this.server.origin);
    page.on("request", (r) => new URL(r.url()).host !== host && person.strayRequests.push(r.url()));
    page.on("websocket", (s) => new URL(s.url()).host !== host && person.strayRequests.push(s.url()));
    page.on("pageerror", (e) => person.complaints.push(e.message));
    page.on("console", (m) => /content security policy|uncaught/i.test(m.text()) && person.complaints.push(m.text()));
    await page.goto(this.server.origin + path);
    return person;
  }

  /** Somebody with an open channel and a live socket. */
  async inChannel(user: string, channel = "general", options: BrowserContextOptions = {}): Promise<Person> {
    const person = await this.open(`/chat/?user=${user}#${channel}`, options);
    await connection(person.page, "live");
    await person.page.getByTestId("channel-title").waitFor();
    return person;
  }
}

export async function connection(page: Page, state: string, timeout = 15_000): Promise<void> {
  await page.locator(`[data-testid=connection-state][data-state=${state}]`).waitFor({ timeout });
}

export async function write(page: Page, text: string): Promise<void> {
  await page.getByTestId("composer").fill(text);
  await page.keyboard.press("Enter");
}

/** The message with this text, once it is a message and not only on its way. */
export function message(page: Page, text: string) {
  return page.getByTestId("message").filter({ hasText: text });
}
