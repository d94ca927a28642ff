// The published SDKs in a page of another origin: no adapter, wss and https only.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Server } from "./lib/server.mjs";
import { stage } from "./lib/stage.mjs";

const server = new Server();
const open = stage(server, {
  ready: async () => {
    const user = (id) => ({ AppInstanceArn: server.appArn, AppInstanceUserId: id, Name: id });
    await server.identity().createAppInstanceUser(user("carol"));
  },
});

function say(text) {
  const input = { ChannelArn: server.generalArn, ChimeBearer: server.userArn("bob"), Type: "STANDARD", Persistence: "PERSISTENT" };
  return server.messaging().sendChannelMessage({ ...input, Content: text });
}

test("a session starts over wss, receives, and comes back after the server was killed", async () => {
  const tab = await open();
  await tab.live("alice");
  assert.equal(tab.sockets[0].protocol, "wss:");
  await say("first");
  await tab.untilEvent("alice", "CREATE_CHANNEL_MESSAGE", { Content: "first" });
  await server.kill();
  await server.start();
  await tab.until("alice", "started", 2);
  await say("second");
  await tab.untilEvent("alice", "CREATE_CHANNEL_MESSAGE", { Content: "second" });
  const { events, stopped, refused } = await tab.seen("alice");
  assert.deepEqual(events.filter((e) => e.payload).map((e) => e.payload.Content), ["first", "second"]);
  assert.deepEqual(events.filter((e) => !e.payload).map((e) => e.type), ["SESSION_ESTABLISHED", "SESSION_ESTABLISHED"]);
  assert.deepEqual([stopped, refused], [[], []]);
});

/** What refuses a session, and what the close says of it. */
const refusals = {
  "wrong credentials": [
    async () => ({ ...(await server.credentialsOf("alice")), secretAccessKey: "wrong" }),
    /^InvalidSignatureException \(signature\)/,
  ],
  "credentials of somebody else": [() => server.credentialsOf("bob"), /^AccessDeniedException: no chime:Connect on userArn/],
};
for (const [name, [credentials, reason]] of Object.entries(refusals)) {
  test(`a session with ${name} ends at once with 4401`, async () => {
    const tab = await open();
    // The endpoint is given, so that the socket and not REST says no.
    await tab.begin("alice", { endpointUrl: new URL(server.https).host, settings: { credentials: await credentials() } });
    await tab.until("alice", "refused", 1);
    const { refused, stopped, closes, started, connecting } = await tab.seen("alice");
    assert.deepEqual([refused, stopped, started, connecting], [[4401], [], 0, 1]);
    assert.match(closes[0].reason, reason);
    assert.equal(tab.sockets.length, 1);
  });
}

test("a session whose user is deleted ends at once with 4003", async () => {
  const tab = await open();
  await tab.live("carol");
  await server.identity().deleteAppInstanceUser({ AppInstanceUserArn: server.userArn("carol") });
  await tab.until("carol", "stopped", 1);
  const { stopped, reconnects } = await tab.seen("carol");
  assert.deepEqual([stopped, reconnects], [[4003], 0]);
  assert.equal(tab.sockets.length, 1);
});

test("a session with the id of another lives beside it", async () => {
  const tab = await open();
  const sessionId = "4711";
  await tab.begin("alice", { name: "first", sessionId });
  await tab.until("first", "started", 1);
  await tab.begin("alice", { name: "second", sessionId });
  await tab.until("second", "started", 1);
  await say("to both");
  for (const name of ["first", "second"]) {
    await tab.untilEvent(name, "CREATE_CHANNEL_MESSAGE", { Content: "to both" });
    const { stopped, reconnects } = await tab.seen(name);
    assert.deepEqual([stopped, reconnects], [[], 0]);
  }
  assert.equal(tab.sockets.length, 2);
});

test("a page of another origin calls REST and gets typed errors", async () => {
  const { page } = await open();
  const settings = server.settings({ endpoint: server.https, credentials: await server.credentialsOf("alice") });
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
