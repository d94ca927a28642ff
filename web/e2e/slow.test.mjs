// A session of the published SDK whose connection is read too slowly for what its channels bring.
// Pings come rarely here: they would find that the reader does not answer them before it is slow.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Proxy } from "./lib/proxy.mjs";
import { eventually, Server } from "./lib/server.mjs";
import { stage } from "./lib/stage.mjs";

const proxy = new Proxy();
const server = new Server({ "ws-ping-interval": "10m", "ws-queue-bytes": "256KiB" }, proxy);
const open = stage(server, { proxy });

function say(Content) {
  const input = { ChannelArn: server.generalArn, ChimeBearer: server.userArn("bob"), Type: "STANDARD", Persistence: "NON_PERSISTENT" };
  return server.messaging().sendChannelMessage({ ...input, Content });
}

test("a session that does not read is closed with 1011 and comes back, while others hear everything", async () => {
  const tab = await open();
  await tab.live("alice", "bob");
  const link = proxy.socket((await tab.seen("alice")).id);
  link.clog();
  let sent = 0;
  // The system's buffers fill first; bob, who reads, has all of a round before the next.
  await eventually("the server gives it up", async () => {
    await Promise.all(Array.from({ length: 25 }, () => say("x".repeat(4096))));
    await tab.until("bob", "events", 1 + (sent += 25));
    return server.metric('carillon_realtime_closed_total{reason="slow consumer"}');
  }, 90_000);
  link.drain();
  await tab.until("alice", "started", 2);
  await say("to both");
  for (const user of ["alice", "bob"]) await tab.untilEvent(user, "CREATE_CHANNEL_MESSAGE", { Content: "to both" });
  const [alice, bob] = [await tab.seen("alice"), await tab.seen("bob")];
  assert.deepEqual([alice.closes, alice.stopped], [[{ code: 1011, reason: "slow consumer" }], []]);
  assert.deepEqual(bob.closes, []);
});
