// A session of the published SDK whose connection is read too slowly for what its channels bring.
// Pings come rarely here: they would find that the reader does not answer them before it is slow.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser } from "./lib/browser.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { eventually, Server } from "./lib/server.mjs";
import { Site } from "./lib/site.mjs";
import { Tab } from "./lib/tab.mjs";

const proxy = new Proxy();
const server = new Server({ "ws-ping-interval": "10m", "ws-queue-bytes": "256KiB" }, proxy);
const browser = new Browser();
const site = new Site();

before(async () => {
  await site.start();
  await proxy.start();
  await server.start();
  await browser.start();
});
after(async () => {
  await browser.stop();
  site.stop();
  proxy.stop();
  await server.stop();
});
afterEach(() => browser.assertQuiet());

function say(Content) {
  const input = { ChannelArn: server.generalArn, ChimeBearer: server.userArn("bob"), Type: "STANDARD", Persistence: "NON_PERSISTENT" };
  return server.messaging().sendChannelMessage({ ...input, Content });
}

test("a session that does not read is closed with 1011 and comes back, while others hear everything", async () => {
  const tab = await Tab.open(browser, site, server, `https://${proxy.host}`);
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
