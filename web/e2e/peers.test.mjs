// WebSockets of other people, without any SDK: Chromium's, npm's ws and Debian's python3-websockets,
// over ws and wss, with and without an offer to compress.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser } from "./lib/browser.mjs";
import { Chromium, hasPython, Npm, Python } from "./lib/peers.mjs";
import { presign } from "./lib/presign.mjs";
import { eventually, Server } from "./lib/server.mjs";
import { Site } from "./lib/site.mjs";

if (!hasPython) {
  assert.ok(!process.env.CI, "python3-websockets is not installed");
  console.error("NOT TESTED: python3-websockets is not installed, so it is no peer");
}

const browser = new Browser();
const site = new Site();
before(async () => {
  await site.start();
  await browser.start();
});
after(async () => {
  await browser.stop();
  site.stop();
});

const peers = [new Npm(true), new Npm(false), new Chromium(browser, site)];
if (hasPython) peers.push(new Python(true), new Python(false));

const contents = ["first", "κόσμε 🎐", "*".repeat(4096), ...Array.from({ length: 30 }, (_, i) => `number ${i}`)];

/** All peers at once, as one user, in a room with nobody else. */
async function together(server, base) {
  const ChimeBearer = server.userArn("alice");
  const { ChannelArn } = await server.messaging().createChannel({ AppInstanceArn: server.appArn, Name: "peers", ChimeBearer });
  const say = (Content) => server.messaging().sendChannelMessage({ ChannelArn, ChimeBearer, Content, Type: "STANDARD", Persistence: "PERSISTENT" });
  const stays = peers.map((peer) => peer.stay(server, presign(server, base, "alice")));
  for (const { ended } of stays) ended.catch(() => {}); // told by ready, or below
  await Promise.all(stays.map(({ ready }) => ready));
  for (const content of contents) await say(content);
  await eventually("the server's pings", () => stays[0].seen.pings >= 4 && stays[1].seen.pings >= 4, 30_000);
  await say("done"); // whoever had not answered the pings would be gone
  return Promise.all(stays.map(({ ended }) => ended));
}

for (const compression of [false, true]) {
  const server = new Server({ "ws-ping-interval": "1s", "ws-compression": compression });
  before(() => server.start());
  after(() => server.stop());
  for (const scheme of ["http", "https"]) {
    const how = `${scheme.replace("http", "ws")}, compression ${compression ? "on" : "off"}`;

    test(`everybody gets events, is pinged, pings and closes: ${how}`, async () => {
      const ends = await together(server, server[scheme]);
      for (const [i, { name, deflate }] of peers.entries()) {
        const { first, extensions, code, contents: got } = ends[i];
        assert.deepEqual({ first, code }, { first: "SESSION_ESTABLISHED", code: 1000 }, name);
        assert.deepEqual(got, [...contents, "done"], name);
        assert.equal(/^permessage-deflate/.test(extensions), compression && deflate, `${name}: ${extensions}`);
      }
      browser.assertQuiet();
    });

    test(`who says too much is told so: ${how}`, async () => {
      for (const peer of peers) {
        const { code, reason } = await peer.leave(server, presign(server, server[scheme], "alice"), 5000);
        assert.deepEqual([code, reason], [1009, "message is too long"], peer.name);
      }
    });

    test(`who may not come in is told why: ${how}`, async () => {
      for (const peer of peers) {
        const url = presign(server, server[scheme], "alice").replace(/.{8}$/, "00000000");
        const { code, reason } = await peer.leave(server, url, 0);
        assert.equal(code, 4401, peer.name);
        assert.match(reason, /^InvalidSignatureException \(signature\)/, peer.name);
      }
    });
  }
}
