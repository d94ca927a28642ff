// Every event of the WebSocket, as the published SDK receives it in a page: who gets it, with which
// headers and payload, and that nobody else does (spec 4.4 to 4.6). The app instance has all extras,
// of which no client of AWS is told.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Audience } from "./lib/audience.mjs";
import { presign } from "./lib/presign.mjs";
import { processors, Rooms, usual } from "./lib/rooms.mjs";
import { eventually, Server } from "./lib/server.mjs";
import { stage } from "./lib/stage.mjs";
import WebSocket from "ws";

const server = new Server({ extras: "presence,typing,unread" });
let audience, client, rooms;

const open = stage(server, {
  ready: async () => {
    client = server.messaging();
    // Ann makes the channels. Ada is an admin, mo a moderator, and neither is a member; cy is hidden.
    audience = new Audience(server, await open(), ["ann", "bob", "cy", "dan", "eve", "fay", "mo", "ada"]);
    await audience.assemble();
    rooms = new Rooms(server, audience);
    await server.identity().createAppInstanceAdmin({ AppInstanceAdminArn: arn("ada"), AppInstanceArn: server.appArn });
  },
});

const arn = (id) => server.userArn(id);
const who = (id) => audience.identity(id);
const tells = (act, wanted) => audience.tells(act, wanted);
const tellsNobody = (act) => tells(act, () => []);

test("memberships: made with the channel, one by one, hidden, in a batch, and ended", async () => {
  let room;
  const type = "CREATE_CHANNEL_MEMBERSHIP";
  await tells(
    async () => (room = await rooms.make("memberships", { MemberArns: [arn("bob")], ModeratorArns: [arn("mo")] })),
    () => [
      { to: ["ann"], type, payload: room.membership("ann", "ann") },
      { to: ["bob"], type, payload: room.membership("bob", "ann") },
    ],
  );
  const add = (id, Type) => client.createChannelMembership(room.as("ann", { MemberArn: arn(id), Type }));
  await tells(() => add("dan", "DEFAULT"), () => [{ to: ["ann", "bob", "dan"], type, payload: room.membership("dan", "ann") }]);
  const hidden = { Type: "HIDDEN" };
  await tells(() => add("cy", "HIDDEN"), () => [{ to: ["ann", "cy"], type, payload: room.membership("cy", "ann", hidden) }]);
  await tells(
    () => client.batchCreateChannelMembership(room.as("ann", { MemberArns: [arn("eve"), arn("fay")], Type: "DEFAULT" })),
    () => [{
      to: ["ann", "bob", "cy", "dan", "eve", "fay"], type: "BATCH_CREATE_CHANNEL_MEMBERSHIP",
      payload: { ChannelArn: room.arn, InvitedBy: who("ann"), Type: "DEFAULT", Members: [who("eve"), who("fay")] },
    }],
  );

  const ended = { type: "DELETE_CHANNEL_MEMBERSHIP" };
  const remove = (id, by) => client.deleteChannelMembership(room.as(by, { MemberArn: arn(id) }));
  await tells(() => remove("dan", "dan"), () => [
    { ...ended, to: ["ann", "bob", "cy", "dan", "eve", "fay"], payload: room.membership("dan", "ann") },
  ]);
  await tells(() => client.createChannelBan(room.as("mo", { MemberArn: arn("eve") })), () => [
    { ...ended, to: ["ann", "bob", "cy", "eve", "fay"], payload: room.membership("eve", "ann") },
  ]);
  await tells(() => remove("cy", "ann"), () => [{ ...ended, to: ["ann", "cy"], payload: room.membership("cy", "ann", hidden) }]);
  const sent = () => room.send("ann", "who is left");
  await tells(sent, (m) => [{ to: ["ann", "bob", "fay"], type: "CREATE_CHANNEL_MESSAGE", as: "STANDARD", payload: room.message(m, "ann", { Content: "who is left" }) }]);
});

test("messages: sent, edited, redacted and deleted", async () => {
  const room = await rooms.usual("messages");
  const full = { Content: "hello", Metadata: "{}", ContentType: "text/plain", MessageAttributes: { mention: { StringValues: ["Ann", "Dan"] } } };
  const standard = { to: usual, as: "STANDARD" };
  const sent = await tells(() => room.send("bob", "hello", full), (m) => [
    { ...standard, type: "CREATE_CHANNEL_MESSAGE", payload: room.message(m, "bob", full) },
  ]);
  const edited = { ...full, Content: "hello all", Metadata: '{"n":2}', LastUpdatedTimestamp: "T1", LastEditedTimestamp: "T1" };
  const id = { MessageId: sent.MessageId };
  await tells(() => client.updateChannelMessage(room.as("bob", { ...id, Content: edited.Content, Metadata: edited.Metadata })), () => [
    { ...standard, type: "UPDATE_CHANNEL_MESSAGE", payload: room.message(sent, "bob", edited) },
  ]);
  const bare = { ContentType: "text/plain", LastEditedTimestamp: "T1", LastUpdatedTimestamp: "T2", Redacted: true };
  await tells(() => client.redactChannelMessage(room.as("mo", id)), () => [
    { ...standard, type: "REDACT_CHANNEL_MESSAGE", payload: room.message(sent, "bob", bare) },
  ]);
  await tells(() => client.deleteChannelMessage(room.as("ada", id)), () => [
    { ...standard, type: "DELETE_CHANNEL_MESSAGE", payload: room.message(sent, "bob", bare) },
  ]);
  const control = { Type: "CONTROL", Persistence: "NON_PERSISTENT" };
  await tells(() => room.send("dan", "typing", control), (m) => [
    { to: usual, as: "CONTROL", type: "CREATE_CHANNEL_MESSAGE", payload: room.message(m, "dan", { ...control, Content: "typing" }) },
  ]);
});

test("a message for one member reaches that member and its sender alone", async () => {
  const room = await rooms.usual("targets");
  const pair = { to: ["bob", "dan"], as: "STANDARD" };
  const Target = [{ MemberArn: arn("dan") }];
  const sent = await tells(() => room.send("bob", "psst", { Target }), (m) => [
    { ...pair, type: "CREATE_CHANNEL_MESSAGE", payload: room.message(m, "bob", { Content: "psst", Target }) },
  ]);
  const id = { MessageId: sent.MessageId };
  await tells(() => client.updateChannelMessage(room.as("bob", { ...id, Content: "pssst" })), () => [{
    ...pair, type: "UPDATE_CHANNEL_MESSAGE",
    payload: room.message(sent, "bob", { Content: "pssst", Target, LastUpdatedTimestamp: "T1", LastEditedTimestamp: "T1" }),
  }]);
  const bare = { Target, LastEditedTimestamp: "T1", LastUpdatedTimestamp: "T2", Redacted: true };
  await tells(() => client.redactChannelMessage(room.as("bob", id)), () => [
    { ...pair, type: "REDACT_CHANNEL_MESSAGE", payload: room.message(sent, "bob", bare) },
  ]);
  await tells(() => client.deleteChannelMessage(room.as("ada", id)), () => [
    { ...pair, type: "DELETE_CHANNEL_MESSAGE", payload: room.message(sent, "bob", bare) },
  ]);
});

test("a channel flow: its sender alone is told that a message waits or failed", async () => {
  const room = await rooms.usual("flows");
  const flow = await client.createChannelFlow({ AppInstanceArn: server.appArn, Name: "flow", Processors: processors("CONTINUE") });
  const { ChannelFlowArn } = flow;
  await tellsNobody(() => client.associateChannelFlow(room.as("ann", { ChannelFlowArn })));
  const fall = (FallbackAction) => client.updateChannelFlow({ ChannelFlowArn, Name: "flow", Processors: processors(FallbackAction) });
  const Detail = "a processor of the channel flow could not be invoked, and its fallback action is ABORT";
  const [Content, pending, failed] = ["hello", { Value: "PENDING" }, { Value: "FAILED", Detail }];
  const [all, sender] = [{ to: usual, as: "STANDARD" }, { to: ["bob"], as: "STANDARD" }];

  const sent = await tells(() => room.send("bob", Content), (m) => [
    { ...sender, type: "PENDING_CREATE_CHANNEL_MESSAGE", payload: room.message(m, "bob", { Content, Status: pending }) },
    { ...all, type: "CREATE_CHANNEL_MESSAGE", payload: room.message(m, "bob", { Content }) },
  ]);
  const edit = (text) => client.updateChannelMessage(room.as("bob", { MessageId: sent.MessageId, Content: text }));
  const edited = (text, more) => room.message(sent, "bob", { Content: text, LastUpdatedTimestamp: "T1", LastEditedTimestamp: "T1", ...more });
  await tells(() => edit("hallo"), () => [
    { ...sender, type: "PENDING_UPDATE_CHANNEL_MESSAGE", payload: edited("hallo", { Status: pending }) },
    { ...all, type: "UPDATE_CHANNEL_MESSAGE", payload: edited("hallo") },
  ]);
  await tellsNobody(() => fall("ABORT"));
  await tells(() => edit("salut"), () => [
    { ...sender, type: "PENDING_UPDATE_CHANNEL_MESSAGE", payload: edited("salut", { Status: pending }) },
    { ...sender, type: "FAILED_UPDATE_CHANNEL_MESSAGE", payload: edited("salut", { Status: failed }) },
  ]);
  await tells(() => room.send("bob", Content), (m) => [
    { ...sender, type: "PENDING_CREATE_CHANNEL_MESSAGE", payload: room.message(m, "bob", { Content, Status: pending }) },
    { ...sender, type: "FAILED_CREATE_CHANNEL_MESSAGE", payload: room.message(m, "bob", { Content, Status: failed }) },
  ]);
});

test("channels: changed and deleted, and what the socket does not tell", async () => {
  const room = await rooms.usual("channels");
  const change = { Name: "new name", Metadata: '{"topic":"x"}', Mode: "UNRESTRICTED" };
  const channel = { ...change, ChannelArn: room.arn, Privacy: "PRIVATE", CreatedBy: who("ann"), CreatedTimestamp: "T0" };
  await tells(() => client.updateChannel(room.as("ann", change)), () => [
    { to: usual, type: "UPDATE_CHANNEL", payload: { ...channel, LastUpdatedTimestamp: "T1" } },
  ]);
  await tellsNobody(async () => {
    await client.createChannelModerator(room.as("ann", { ChannelModeratorArn: arn("dan") }));
    await client.deleteChannelModerator(room.as("ann", { ChannelModeratorArn: arn("dan") }));
    await client.createChannelBan(room.as("ann", { MemberArn: arn("fay") })); // who is no member
    await client.deleteChannelBan(room.as("ann", { MemberArn: arn("fay") }));
    await client.updateChannelReadMarker(room.as("bob"));
    await client.putChannelMembershipPreferences(room.as("bob", { MemberArn: arn("bob"), Preferences: { PushNotifications: { AllowNotifications: "NONE" } } }));
    const settings = { ExpirationDays: 1, ExpirationCriterion: "CREATED_TIMESTAMP" };
    await client.putChannelExpirationSettings(room.as("ann", { ExpirationSettings: settings }));
    await client.putChannelExpirationSettings(room.as("ann"));
    await server.identity().updateAppInstanceUser({ AppInstanceUserArn: arn("fay"), Name: "Fay", Metadata: "new" });
    await assert.rejects(room.send("fay", "not a member"), { name: "ForbiddenException" });
  });
  await tells(() => client.deleteChannel(room.as("ann")), () => [
    { to: usual, type: "DELETE_CHANNEL", payload: { ...channel, LastUpdatedTimestamp: "T1" } },
  ]);
});

test("an elastic channel: its walls, a moved member, and a moderator whose sub-channel is gone", async () => {
  const ElasticChannelConfiguration = { MaximumSubChannels: 3, TargetMembershipsPerSubChannel: 4, MinimumMembershipPercentage: 40 };
  const room = await rooms.make("elastic", { ElasticChannelConfiguration });
  const add = (id, more) => client.createChannelMembership(room.as("ann", { MemberArn: arn(id), Type: "DEFAULT", ...more }));
  const type = "CREATE_CHANNEL_MEMBERSHIP";
  const { SubChannelId: one } = await tells(() => add("bob"), ({ SubChannelId }) => [
    { to: ["bob"], type, payload: room.membership("bob", "ann", { SubChannelId }) },
  ]);
  const batch = room.as("ann", { MemberArns: ["cy", "dan", "eve"].map(arn), Type: "DEFAULT" });
  await tells(() => client.batchCreateChannelMembership(batch), () => [
    { to: ["bob", "cy"], type, payload: room.membership("cy", "ann", { SubChannelId: one }) },
    { to: ["bob", "cy", "dan"], type, payload: room.membership("dan", "ann", { SubChannelId: one }) },
    { to: ["bob", "cy", "dan", "eve"], type, payload: room.membership("eve", "ann", { SubChannelId: one }) },
  ]);

  // A fifth is too much for one sub-channel, and less than two are too few: dan and eve move.
  const moved = { type: "UPDATE_CHANNEL_MEMBERSHIP" };
  const later = { LastUpdatedTimestamp: "T1" };
  let two;
  await tells(
    async () => {
      await add("fay");
      const { SubChannels } = await client.listSubChannels(room.as("ann"));
      two = SubChannels.map((s) => s.SubChannelId).find((id) => id !== one);
    },
    () => [
      { ...moved, to: ["dan"], payload: room.membership("dan", "ann", { SubChannelId: two, ...later }) },
      { ...moved, to: ["eve"], payload: room.membership("eve", "ann", { SubChannelId: two, ...later }) },
      { to: ["bob", "cy", "fay"], type, payload: room.membership("fay", "ann", { SubChannelId: one }) },
    ],
  );
  await tells(() => add("ann", { SubChannelId: two }), () => [
    { to: ["ann", "dan", "eve"], type, payload: room.membership("ann", "ann", { SubChannelId: two }) },
  ]);

  const hears = (sender, to, SubChannelId) =>
    tells(() => room.send(sender, "hello", { SubChannelId }), (m) => [
      { to, type: "CREATE_CHANNEL_MESSAGE", as: "STANDARD", payload: room.message(m, sender, { Content: "hello", SubChannelId }) },
    ]);
  await hears("bob", ["bob", "cy", "fay"], one);
  await hears("ann", ["ann", "dan", "eve"], two);

  const ended = { type: "DELETE_CHANNEL_MEMBERSHIP" };
  const was = { SubChannelId: two };
  await tells(() => client.deleteChannelMembership(room.as("ann", { MemberArn: arn("eve") })), () => [
    { ...ended, to: ["ann", "dan", "eve"], payload: room.membership("eve", "ann", { ...was, ...later }) },
    { ...moved, to: ["dan"], payload: room.membership("dan", "ann", { SubChannelId: one, ...later }) },
    { ...ended, to: ["ann"], reason: "subchannel_DELETED", payload: room.membership("ann", "ann", was) },
  ]);
  await hears("dan", ["bob", "cy", "dan", "fay"], one);

  const channel = { ChannelArn: room.arn, Name: "elastic", Mode: "RESTRICTED", Privacy: "PRIVATE", CreatedBy: who("ann") };
  const times = { CreatedTimestamp: "T0", LastUpdatedTimestamp: "T0" }; // the last message may be another sub-channel's
  await tells(() => client.deleteChannel(room.as("ann")), () => [
    { to: ["bob", "cy", "dan", "fay"], type: "DELETE_CHANNEL", payload: { ...channel, ...times, ElasticChannelConfiguration } },
  ]);
});

test("extras: whoever asks is told who is there, who types and what is unread, and the SDK nothing", async () => {
  const room = await rooms.usual("extras");
  const socket = new WebSocket(presign(server, server.http, "bob", { extras: "presence,typing,unread", "resume-from": "" }));
  const got = [];
  socket.on("message", (text) => {
    const { Headers, Payload } = JSON.parse(text);
    got.push({ type: Headers["x-amz-chime-event-type"], headers: Headers, ...JSON.parse(Payload ?? "{}") });
  });
  await once(socket, "open");
  const here = (type) => eventually(type, () => got.find((e) => e.type === type && e.ChannelArn === room.arn));
  await here("CHANNEL_PRESENCE");
  await tells(() => room.send("ann", "hello"), (m) => [
    { to: usual, type: "CREATE_CHANNEL_MESSAGE", as: "STANDARD", payload: room.message(m, "ann", { Content: "hello" }) },
  ]);
  assert.equal((await here("UNREAD_COUNT")).UnreadCount, 1);
  const typist = new WebSocket(presign(server, server.http, "dan", { extras: "typing" }));
  await once(typist, "open");
  typist.send(JSON.stringify({ Action: "TYPING", ChannelArn: room.arn }));
  assert.deepEqual((await here("TYPING")).Sender, who("dan"));
  assert.match((await here("CREATE_CHANNEL_MESSAGE")).headers["x-carillon-position"], /^\d+$/);
  await tellsNobody(() => {}); // who is a client of AWS
  for (const one of [socket, typist]) {
    one.close();
    await once(one, "close");
  }
});
