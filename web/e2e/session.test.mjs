// The published SDKs in a page of another origin: no adapter, wss and https only.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser } from "./lib/browser.mjs";
import { eventually, Server } from "./lib/server.mjs";
import { Site } from "./lib/site.mjs";

const server = new Server();
const browser = new Browser();
const site = new Site();

before(async () => {
  await site.start();
  await server.start();
  await browser.start();
  const user = (id) => ({ AppInstanceArn: server.appArn, AppInstanceUserId: id, Name: id });
  await server.identity().createAppInstanceUser(user("carol"));
});
after(async () => {
  await browser.stop();
  site.stop();
  await server.stop();
});
afterEach(() => browser.assertQuiet());

async function open() {
  const page = await browser.page([site.host, new URL(server.https).host]);
  page.sockets = [];
  page.on("websocket", (socket) => page.sockets.push(socket.url()));
  await page.goto(site.origin);
  await page.waitForFunction(() => "sdk" in window);
  return page;
}

async function settingsOf(user) {
  return server.settings({ endpoint: server.https, credentials: await server.credentialsOf(user) });
}

async function live(user) {
  const page = await open();
  await page.evaluate(([arn, settings]) => window.sdk.session(arn, settings), [server.userArn(user), await settingsOf(user)]);
  await page.waitForFunction(() => window.seen.started === 1);
  return page;
}

function say(text) {
  const input = { ChannelArn: server.generalArn, ChimeBearer: server.userArn("bob"), Type: "STANDARD", Persistence: "PERSISTENT" };
  return server.messaging().sendChannelMessage({ ...input, Content: text });
}

test("a session starts over wss, receives, and comes back after a restart", async () => {
  const page = await live("alice");
  assert.match(page.sockets[0], /^wss:/);
  await say("first");
  await page.waitForFunction(() => window.seen.contents.includes("first"));
  await server.kill();
  await server.start();
  await page.waitForFunction(() => window.seen.reconnects > 0 && window.seen.started === 2, undefined, { timeout: 25_000 });
  await say("second");
  await page.waitForFunction(() => window.seen.contents.includes("second"));
  const seen = await page.evaluate(() => window.seen);
  assert.deepEqual(seen.contents, ["first", "second"]);
  assert.deepEqual(seen.refused.concat(seen.stopped), []);
  assert.ok(seen.types.includes("SESSION_ESTABLISHED"));
});

test("a session with wrong credentials ends at once with 4401", async () => {
  const page = await open();
  const { credentials, ...rest } = await settingsOf("alice");
  const settings = { ...rest, credentials: { ...credentials, secretAccessKey: "wrong" } };
  const arguments_ = [server.userArn("alice"), settings, new URL(server.https).host];
  await page.evaluate(([arn, settings, host]) => window.sdk.session(arn, settings, host), arguments_);
  const seen = await page.evaluate(() => window.seen);
  assert.deepEqual([...new Set(seen.refused.concat(seen.stopped))], [4401]);
  assert.equal(seen.started, 0);
  assert.equal(seen.reconnects, 0);
  assert.equal(page.sockets.length, 1);
});

test("a session whose user is deleted ends at once with 4003", async () => {
  const page = await live("carol");
  await server.identity().deleteAppInstanceUser({ AppInstanceUserArn: server.userArn("carol") });
  await page.waitForFunction(() => window.seen.stopped.length > 0);
  const seen = await page.evaluate(() => window.seen);
  assert.deepEqual([seen.stopped, seen.reconnects], [[4003], 0]);
  assert.equal(page.sockets.length, 1);
});

test("a page of another origin calls REST and gets typed errors", async () => {
  const page = await open();
  const settings = await settingsOf("alice");
  const call = (command, input) => page.evaluate((all) => window.sdk.call(...all), [settings, command, input]);
  const bearer = { ChannelArn: server.generalArn, ChimeBearer: server.userArn("alice") };
  const good = await call("DescribeChannelCommand", bearer);
  assert.equal(good.answer?.Channel.Name, "General");
  const { error } = await call("DescribeChannelCommand", { ...bearer, ChannelArn: `${server.appArn}/channel/none` });
  assert.equal(error.typed, "ForbiddenException");
  assert.equal(error.status, 403);
  assert.ok(error.requestId);
  const bad = await call("SendChannelMessageCommand", { ...bearer, Content: "x", Type: "LOUD", Persistence: "PERSISTENT" });
  assert.equal(bad.error.typed, "BadRequestException");
  assert.match(bad.error.message, /Type/);
});
