// The published SDK in Node, with the two globals that it needs there: it starts, receives, comes
// back after a cut and stays away when refused. What browsers are told is in the other files.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { Proxy } from "./lib/proxy.mjs";
import { eventually, Server } from "./lib/server.mjs";

const proxy = new Proxy();
const server = new Server({}, proxy);
let live;

before(async () => {
  await proxy.start();
  await server.start();
  globalThis.WebSocket ??= class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { rejectUnauthorized: false }); // the server's CA was made a moment ago
    }
  };
  globalThis.CloseEvent ??= class extends Event {
    constructor(type, { code, reason }) {
      super(type);
      Object.assign(this, { code, reason });
    }
  };
  live = await import("./lib/live.mjs");
  process.on("unhandledRejection", (reason) => {
    if (!live.refused(reason)) throw reason;
  });
});
after(async () => {
  for (const [name, it] of Object.entries(live?.seen ?? {})) if (it.stopped.length + it.refused.length === 0) live.stop(name);
  proxy.stop();
  await server.stop();
});

async function open(name, user, more) {
  live.open(name, server.userArn(user), server.settings({ credentials: await server.credentialsOf(user) }), more);
  return live.seen[name];
}

function say(Content) {
  const input = { ChannelArn: server.generalArn, ChimeBearer: server.userArn("bob"), Type: "STANDARD", Persistence: "PERSISTENT" };
  return server.messaging().sendChannelMessage({ ...input, Content });
}

const heard = (it) => it.events.filter((e) => e.type === "CREATE_CHANNEL_MESSAGE").map((e) => e.payload.Content);

test("a session starts, receives, and comes back after a cut", async () => {
  const it = await open("alice", "alice");
  await eventually("it starts", () => it.started === 1);
  await say("first");
  await eventually("it hears", () => heard(it).length === 1);
  proxy.socket(it.id).cut();
  await eventually("it comes back", () => it.started === 2);
  await say("second");
  await eventually("it hears again", () => heard(it).length === 2);
  assert.deepEqual(heard(it), ["first", "second"]);
  assert.deepEqual([it.closes.map((c) => c.code), it.stopped, it.refused], [[1006], [], []]);
});

test("a session with credentials of somebody else ends at once with 4401", async () => {
  live.open("mallory", server.userArn("alice"), server.settings({ credentials: await server.credentialsOf("bob") }));
  const it = live.seen.mallory;
  await eventually("it is refused", () => it.refused.length > 0);
  assert.deepEqual([it.refused, it.stopped, it.started, it.connecting], [[4401], [], 0, 1]);
});
