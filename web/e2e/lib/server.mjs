// The built binary as a child process, used through what it prints at its start.
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ChimeSDKIdentity } from "@aws-sdk/client-chime-sdk-identity";
import { ChimeSDKMessaging } from "@aws-sdk/client-chime-sdk-messaging";

export const work = process.env.E2E_WORK;
if (!work) throw new Error("run the tests with: npm run e2e");

const startWithinMs = 20_000;

export class Server {
  data = mkdtempSync(join(work, "data-"));
  #listen = "127.0.0.1:0";
  #child;
  #settings;
  #proxy;
  #program;

  /**
   * Settings are those of `carillon dev`, without the dashes of their flags. Behind a proxy the
   * server bears the proxy's name; `http` and `https` go to the server itself all the same.
   */
  constructor(settings = {}, proxy = undefined, program = "carillon") {
    this.#proxy = proxy;
    this.#program = program;
    this.#settings = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  }

  /** Starts `carillon dev`, after a stop or kill on the same port and data. */
  async start() {
    const flags = ["--listen", this.#listen, "--ops-listen", "127.0.0.1:0", "--data", this.data, ...this.#settings];
    if (this.#proxy) flags.push("--public-host", this.#proxy.host);
    const child = spawn(join(work, this.#program), ["dev", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    let log = "";
    child.stderr.on("data", (chunk) => (log += chunk));
    const printed = [];
    const tooLate = setTimeout(() => child.kill("SIGKILL"), startWithinMs);
    for await (const line of createInterface({ input: child.stdout })) {
      printed.push(line);
      if (line.startsWith("Stop with")) break;
    }
    clearTimeout(tooLate);
    child.stdout.resume();
    if (!/^Stop /.test(printed.at(-1))) {
      if (child.exitCode === null && child.signalCode === null) await once(child, "close");
      throw new Error(`carillon did not start: ${log}\n${printed.join("\n")}`);
    }
    const address = await eventually("the log tells the address", () => /msg=serving address=(\S+)/.exec(log)?.[1]);
    this.#read(printed.join("\n"), address);
  }

  #read(text, address) {
    const value = (pattern) => {
      const match = pattern.exec(text);
      if (!match) throw new Error(`the start does not print ${pattern}`);
      return match[1];
    };
    this.env = Object.fromEntries([...text.matchAll(/(AWS_(?!CA_)\w+)=(\S+)/g)].map((m) => [m[1], m[2]]));
    const port = address.slice(address.lastIndexOf(":") + 1);
    this.http = `http://localhost:${port}`;
    this.https = this.http.replace("http:", "https:");
    this.metrics = value(/Health and metrics: (\S+)\/healthz/) + "/metrics";
    this.caFile = value(/NODE_EXTRA_CA_CERTS=(\S+)/);
    this.appArn = value(/App instance:\s+(\S+)/);
    this.generalArn = value(/Channel:\s+(\S+)/);
    this.#listen = `127.0.0.1:${port}`;
    this.#proxy?.before(port, this.data);
  }

  userArn(id) {
    return `${this.appArn}/user/${id}`;
  }

  async kill() {
    await this.#end("SIGKILL");
  }

  async stop() {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) await this.#end("SIGTERM");
  }

  async #end(signal) {
    const exit = once(this.#child, "exit");
    this.#child.kill(signal);
    await exit;
  }

  /** Settings for an SDK client, with the root key over http unless told otherwise. */
  settings(changes = {}) {
    return {
      endpoint: this.http,
      region: this.env.AWS_REGION,
      credentials: { accessKeyId: this.env.AWS_ACCESS_KEY_ID, secretAccessKey: this.env.AWS_SECRET_ACCESS_KEY },
      ...changes,
    };
  }

  /** The value of a metric, by its name with labels as /metrics has it; 0 when it is not there. */
  async metric(name) {
    const text = await (await fetch(this.metrics)).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    return line ? Number(line.slice(name.length)) : 0;
  }

  messaging(changes) {
    return new ChimeSDKMessaging(this.settings(changes));
  }

  identity(changes) {
    return new ChimeSDKIdentity(this.settings(changes));
  }

  /** What the chat page gets for a user: credentials limited to that user, of an hour or as asked. */
  async credentialsOf(id, DurationSeconds) {
    const response = await fetch(`${this.http}/_carillon/credentials`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ UserId: id, DurationSeconds }),
    });
    if (!response.ok) throw new Error(`credentials of ${id}: ${response.status} ${await response.text()}`);
    const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = (await response.json()).ChimeCredentials;
    return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken, expiration: new Date(Expiration) };
  }
}

/** Everything an SDK paginator gives, and its pages. */
export async function collect(pages, member) {
  const all = { items: [], pages: [] };
  for await (const page of pages) {
    all.pages.push(page);
    all.items.push(...(page[member] ?? []));
  }
  return all;
}

/** Waits until the condition gives something true, only for what happens in other processes. */
export async function eventually(what, condition, withinMs = 15_000) {
  for (const end = Date.now() + withinMs; Date.now() < end; ) {
    const value = await condition();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${withinMs} ms`);
}
