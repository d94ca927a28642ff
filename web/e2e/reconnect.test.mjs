// The messaging session of the published SDK behind a gateway that breaks its connections: when it
// comes back, when it stays away, and what it asks for before (spec 4.9).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Proxy } from "./lib/proxy.mjs";
import { eventually, Server } from "./lib/server.mjs";
import { stage } from "./lib/stage.mjs";

const proxy = new Proxy();
const server = new Server({ "ws-ping-interval": "1s" }, proxy);
const open = stage(server, { proxy });

function say(Content, more) {
  const input = { ChannelArn: server.generalArn, ChimeBearer: server.userArn("bob"), Type: "STANDARD", Persistence: "PERSISTENT" };
  return server.messaging().sendChannelMessage({ ...input, ...more, Content });
}

/** A new message reaches the sessions, each once. */
async function hears(tab, ...names) {
  const Content = crypto.randomUUID();
  await say(Content);
  for (const name of names) {
    await tab.untilEvent(name, "CREATE_CHANNEL_MESSAGE", { Content });
    const { events } = await tab.seen(name);
    assert.equal(events.filter((e) => e.payload?.Content === Content).length, 1, `${name} hears twice`);
  }
}

async function linkOf(tab, name) {
  return proxy.socket((await tab.seen(name)).id);
}

const again = [1001, 1011, 1012, 1013, 1014, 4001, 4005, 4100, 4998, "cut"];
const never = [1000, 4000, 4002, 4003, 4401];

test("a session comes back after the codes that allow it, and after no other", async () => {
  const tab = await open();
  const name = String;
  for (const code of [...again, ...never]) await tab.begin("alice", { name: name(code) });
  for (const code of [...again, ...never]) await tab.until(name(code), "started", 1);
  assert.equal(tab.asked, again.length + never.length);
  for (const code of [...again, ...never]) {
    const link = await linkOf(tab, name(code));
    code === "cut" ? link.cut() : link.close(code);
  }
  for (const code of again) await tab.until(name(code), "started", 2);
  for (const code of never) await tab.until(name(code), "stopped", 1);
  await hears(tab, ...again.map(name));
  for (const code of again) {
    const { closes, stopped, refused, connecting } = await tab.seen(name(code));
    assert.deepEqual([closes.map((c) => c.code), stopped, refused, connecting], [[code === "cut" ? 1006 : code], [], [], 2], name(code));
  }
  for (const code of never) {
    const { closes, stopped, refused, connecting } = await tab.seen(name(code));
    assert.deepEqual([closes.map((c) => c.code), stopped, refused, connecting], [[code], [code], [], 1], name(code));
  }
  assert.equal(tab.sockets.length, 2 * again.length + never.length);
  assert.equal(tab.asked, 2 * again.length + never.length, "the endpoint is asked for before every connection");
});

test("a session comes back when the network was away", async () => {
  const tab = await open();
  await tab.live("alice");
  const { refused } = proxy;
  proxy.down();
  await eventually("it tries in vain", () => proxy.refused >= refused + 3);
  proxy.up();
  await tab.until("alice", "started", 2);
  await hears(tab, "alice");
  assert.deepEqual((await tab.seen("alice")).stopped, []);
});

test("a session that nothing reaches any more is dropped, and one that answers pings is not", async () => {
  const tab = await open();
  await tab.live("alice", "bob");
  const link = await linkOf(tab, "alice");
  link.silence();
  await eventually("the server misses two answers", () => link.lost);
  await say("while nothing passes");
  link.mend();
  await tab.until("alice", "started", 2);
  await hears(tab, "alice", "bob");
  const [alice, bob] = [await tab.seen("alice"), await tab.seen("bob")];
  assert.deepEqual([alice.closes.map((c) => c.code), alice.stopped], [[1006], []]);
  assert.deepEqual([bob.closes, bob.started], [[], 1], "idle for longer than two pings take, it was closed");
});

test("a session that comes back before the server has missed it hears everything once", async () => {
  const tab = await open();
  await tab.live("alice");
  const old = await linkOf(tab, "alice");
  old.forsake();
  await tab.until("alice", "started", 2);
  await eventually("the server ends the old connection", () => old.lost);
  await hears(tab, "alice");
});

test("a session comes back after the server was stopped with 1012", async () => {
  const tab = await open();
  await tab.live("alice");
  await server.stop();
  await server.start();
  await tab.until("alice", "started", 2);
  await hears(tab, "alice");
  const { closes, stopped } = await tab.seen("alice");
  assert.deepEqual([closes[0].code, stopped], [1012, []]);
});

test("a session whose credentials end is closed with 1001 and comes back with new ones", async () => {
  const tab = await open();
  await tab.begin("alice", { seconds: 5 });
  await tab.until("alice", "started", 2);
  await hears(tab, "alice");
  const { closes, stopped, refused } = await tab.seen("alice");
  assert.deepEqual(closes[0], { code: 1001, reason: "credentials expired" });
  assert.deepEqual([stopped, refused], [[], []]);
  const token = (socket) => socket.searchParams.get("X-Amz-Security-Token");
  assert.notEqual(token(tab.sockets[0]), token(tab.sockets[1]));
  assert.ok(tab.asked >= 2);
});

