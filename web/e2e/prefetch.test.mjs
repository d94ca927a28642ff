// What the published SDK is told when it connects with prefetch: which channels, and all of each
// (spec 4.7). What REST lists for the same user is the measure.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Server } from "./lib/server.mjs";
import { stage } from "./lib/stage.mjs";

const server = new Server();
let client;

const arn = (id) => server.userArn(id);
const members = ["pat", "max", ...Array.from({ length: 33 }, (_, n) => `u${n}`)];

const open = stage(server, {
  ready: async () => {
    client = server.messaging();
    const user = (id) => ({ AppInstanceArn: server.appArn, AppInstanceUserId: id, Name: id.toUpperCase() });
    await Promise.all(["ann", "vic", "zoe", ...members].map((id) => server.identity().createAppInstanceUser(user(id))));
  },
});

/** A channel of ann and others, who join in order. */
async function makeChannel(Name, others, more) {
  const { ChannelArn } = await client.createChannel({ AppInstanceArn: server.appArn, ChimeBearer: arn("ann"), Name, ...more });
  for (const id of others) await client.createChannelMembership({ ChannelArn, ChimeBearer: arn("ann"), MemberArn: arn(id), Type: "DEFAULT" });
  return ChannelArn;
}

function send(ChannelArn, id, Content, more) {
  return client.sendChannelMessage({ ChannelArn, ChimeBearer: arn(id), Content, Type: "STANDARD", Persistence: "PERSISTENT", ...more });
}

/** An answer of REST as the socket would have it: times as text, nothing that is absent. */
const plain = (value) => JSON.parse(JSON.stringify(value));

const byName = (details) => Object.fromEntries(details.map(({ payload }) => [payload.Channel.Name, payload]));

/** The CHANNEL_DETAILS of a new session, as many as are wanted and no more before the next event. */
async function prefetched(user, count, more) {
  const tab = await open();
  await tab.begin(user, { prefetchOn: "connect", ...more });
  await tab.until(user, "events", 1 + count);
  const fence = await makeChannel("fence", user === "ann" ? [] : [user]);
  await tab.untilEvent(user, "CREATE_CHANNEL_MEMBERSHIP", { ChannelArn: fence });
  await client.deleteChannel({ ChannelArn: fence, ChimeBearer: arn("ann") });
  await tab.untilEvent(user, "DELETE_CHANNEL", { ChannelArn: fence });
  const [first, ...events] = await tab.take(user);
  assert.equal(first.type, "SESSION_ESTABLISHED");
  const details = events.filter((e) => e.type === "CHANNEL_DETAILS");
  assert.deepEqual(events.map((e) => e.type).filter((type) => type !== "CHANNEL_DETAILS"), ["CREATE_CHANNEL_MEMBERSHIP", "DELETE_CHANNEL"]);
  for (const { headers } of details) {
    assert.deepEqual(headers, { "x-amz-chime-event-type": "CHANNEL_DETAILS", "x-amz-chime-message-type": "SYSTEM" });
  }
  assert.equal(details.length, count);
  return details;
}

test("a channel is told with its latest messages, members and read marker, as REST lists them", async () => {
  const rich = await makeChannel("rich", members, { Metadata: "{}", Privacy: "PRIVATE" });
  await client.createChannelMembership({ ChannelArn: rich, ChimeBearer: arn("ann"), MemberArn: arn("zoe"), Type: "HIDDEN" });
  const full = { Metadata: '{"n":1}', ContentType: "text/plain", MessageAttributes: { to: { StringValues: ["Pat"] } } };
  for (let n = 0; n < 22; n++) await send(rich, "max", `message ${n}`, full);
  await client.updateChannelReadMarker({ ChannelArn: rich, ChimeBearer: arn("pat") });
  await send(rich, "max", "for pat", { Target: [{ MemberArn: arn("pat") }] });
  await send(rich, "max", "for u1", { Target: [{ MemberArn: arn("u1") }] });
  await send(rich, "max", "typing", { Type: "CONTROL", Persistence: "NON_PERSISTENT" });
  const { MessageId } = await send(rich, "max", "oops");
  await client.redactChannelMessage({ ChannelArn: rich, ChimeBearer: arn("max"), MessageId });
  await makeChannel("quiet", ["pat"]);
  const details = byName(await prefetched("pat", 2));

  const bearer = { ChimeBearer: arn("pat") };
  const { ChannelMemberships } = await client.listChannelMembershipsForAppInstanceUser(bearer);
  const mine = (name) => plain(ChannelMemberships.find((m) => m.ChannelSummary.Name === name));
  const { ChannelMessages } = await client.listChannelMessages({ ...bearer, ChannelArn: rich, MaxResults: 20 });
  const contents = ChannelMessages.map((m) => m.Content);
  assert.deepEqual([contents.slice(0, 3), contents.at(-1)], [[undefined, "for pat", "message 21"], "message 4"]);
  const everyone = await client.listChannelMemberships({ ...bearer, ChannelArn: rich });
  const { ChannelMemberships: told, ...rest } = details.rich;
  assert.deepEqual(rest, {
    Channel: mine("rich").ChannelSummary,
    ChannelMessages: plain(ChannelMessages),
    ChannelMessagesHasMore: true,
    ReadMarkerTimestamp: mine("rich").AppInstanceUserMembershipSummary.ReadMarkerTimestamp,
  });
  assert.equal(told.length, 30);
  assert.equal(new Set(told.map((m) => m.Member.Arn)).size, 30);
  for (const one of told) assert.deepEqual(plain(everyone.ChannelMemberships).find((m) => m.Member.Arn === one.Member.Arn), one);

  const identity = (id) => ({ Member: { Arn: arn(id), Name: id.toUpperCase() } });
  const { ChannelMemberships: two, ...quiet } = details.quiet;
  assert.deepEqual(quiet, { Channel: mine("quiet").ChannelSummary, ChannelMessages: [], ChannelMessagesHasMore: false });
  assert.deepEqual(two.sort((a, b) => a.Member.Name.localeCompare(b.Member.Name)), [identity("ann"), identity("pat")]);
});

test("of many channels, fifty are told: unread ones first, or those with the latest messages", async () => {
  const channels = await Promise.all(Array.from({ length: 53 }, (_, n) => makeChannel(`c${n}`, ["vic"])));
  for (const [n, channel] of channels.entries()) await send(channel, "ann", `in c${n}`);
  await Promise.all(channels.slice(-10).map((ChannelArn) => client.updateChannelReadMarker({ ChannelArn, ChimeBearer: arn("vic") })));
  const names = (from, to) => Array.from({ length: to - from }, (_, n) => `c${from + n}`);
  const told = async (more) => Object.keys(byName(await prefetched("vic", 50, more))).sort();
  const unread = [...names(0, 43), ...names(46, 53)].sort();
  assert.deepEqual(await told(), unread);
  assert.deepEqual(await told({ prefetchSortBy: "unread" }), unread);
  assert.deepEqual(await told({ prefetchSortBy: "last-message-timestamp" }), names(3, 53).sort());
});

test("an elastic channel is told as the sub-channels that the user is in", async () => {
  const ElasticChannelConfiguration = { MaximumSubChannels: 2, TargetMembershipsPerSubChannel: 2, MinimumMembershipPercentage: 40 };
  const ChannelArn = await makeChannel("elastic", [], { ElasticChannelConfiguration });
  const bearer = { ChannelArn, ChimeBearer: arn("ann") };
  const add = (id, more) => client.createChannelMembership({ ...bearer, MemberArn: arn(id), Type: "DEFAULT", ...more });
  for (const id of ["u1", "u2", "u3"]) await add(id);
  const { SubChannels } = await client.listSubChannels(bearer);
  const subs = SubChannels.map((s) => s.SubChannelId);
  assert.equal(subs.length, 2);
  const of = {};
  for (const SubChannelId of subs) {
    const { ChannelMemberships } = await client.listChannelMemberships({ ...bearer, SubChannelId });
    of[SubChannelId] = ChannelMemberships.map((m) => m.Member.Name.toLowerCase());
    await add("ann", { SubChannelId });
    await send(ChannelArn, of[SubChannelId][0], "hello", { SubChannelId });
  }
  const shown = ({ payload }) => ({
    sub: payload.SubChannelId,
    messages: payload.ChannelMessages.map((m) => [m.SubChannelId, m.Sender.Name.toLowerCase(), m.Content]),
    members: payload.ChannelMemberships.map((m) => m.Member.Name.toLowerCase()).filter((name) => name !== "ann").sort(),
  });
  const want = (sub) => ({ sub, messages: [[sub, of[sub][0], "hello"]], members: of[sub].sort() });
  const elastic = (details) => details.filter((e) => e.payload.Channel.ChannelArn === ChannelArn).map(shown);
  const order = (list) => list.sort((a, b) => a.sub.localeCompare(b.sub));

  const member = of[subs[0]][0];
  const channelsOf = async (id) => (await client.listChannelMembershipsForAppInstanceUser({ ChimeBearer: arn(id) })).ChannelMemberships.length;
  assert.deepEqual(elastic(await prefetched(member, await channelsOf(member))), [want(subs[0])]);
  const told = elastic(await prefetched("ann", 50));
  assert.deepEqual(order(told), order(subs.map(want)));
});

test("a session that comes back is told again, and one that does not ask is not", async () => {
  const tab = await open();
  await tab.begin("alice", { prefetchOn: "connect" });
  await tab.begin("bob", { prefetchSortBy: "unread" });
  await tab.until("alice", "events", 2);
  await tab.until("bob", "started", 1);
  await server.kill();
  await server.start();
  await tab.until("alice", "events", 4);
  await tab.until("bob", "started", 2);
  await send(server.generalArn, "bob", "live");
  for (const user of ["alice", "bob"]) await tab.untilEvent(user, "CREATE_CHANNEL_MESSAGE", { Content: "live" });
  const types = async (user) => (await tab.take(user)).map((e) => e.type);
  const [established, details] = ["SESSION_ESTABLISHED", "CHANNEL_DETAILS"];
  assert.deepEqual(await types("alice"), [established, details, established, details, "CREATE_CHANNEL_MESSAGE"]);
  assert.deepEqual(await types("bob"), [established, established, "CREATE_CHANNEL_MESSAGE"]);
});
