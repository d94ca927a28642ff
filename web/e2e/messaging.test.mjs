// @aws-sdk/client-chime-sdk-messaging against the binary.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as sdk from "@aws-sdk/client-chime-sdk-messaging";
import { collect, Server } from "./lib/server.mjs";

const server = new Server();
let client, ChannelArn, alice, bob;
const as = (user, more = {}) => ({ ChannelArn, ChimeBearer: server.userArn(user), ...more });
const typed = (type) => (error) => error instanceof sdk[type];

before(async () => {
  await server.start();
  client = server.messaging();
  [alice, bob] = [server.userArn("alice"), server.userArn("bob")];
  for (const AppInstanceUserId of ["carol", "dave", "erin"]) {
    await server.identity().createAppInstanceUser({ AppInstanceArn: server.appArn, AppInstanceUserId, Name: AppInstanceUserId });
  }
});
after(() => server.stop());

test("channels are created, described, updated, listed", async () => {
  const input = { AppInstanceArn: server.appArn, ChimeBearer: alice, Name: "Team", Mode: "RESTRICTED", Privacy: "PRIVATE" };
  ({ ChannelArn } = await client.createChannel({ ...input, Tags: [{ Key: "a", Value: "b" }] }));
  await client.updateChannel(as("alice", { Name: "The team", Mode: "UNRESTRICTED", Metadata: "{}" }));
  const { Channel } = await client.describeChannel(as("alice"));
  assert.equal(Channel.Name, "The team");
  assert.equal(Channel.Privacy, "PRIVATE");
  assert.ok(Channel.CreatedTimestamp instanceof Date);
  await client.createChannel({ ...input, Name: "Open", Privacy: "PUBLIC" });
  const list = { AppInstanceArn: server.appArn, ChimeBearer: alice, Privacy: "PUBLIC" };
  const { items, pages } = await collect(sdk.paginateListChannels({ client, pageSize: 1 }, list), "Channels");
  assert.deepEqual(items.map((c) => c.Name).sort(), ["General", "Open"]);
  assert.equal(pages.at(-1).NextToken, undefined);
});

test("members are added one by one, in a batch, hidden, listed and removed", async () => {
  await client.createChannelMembership(as("alice", { MemberArn: bob, Type: "DEFAULT" }));
  const MemberArns = ["carol", "dave"].map((id) => server.userArn(id));
  const batch = await client.batchCreateChannelMembership(as("alice", { MemberArns, Type: "DEFAULT" }));
  assert.equal(batch.BatchChannelMemberships.Members.length, 2);
  await client.createChannelMembership(as("alice", { MemberArn: server.userArn("erin"), Type: "HIDDEN" }));
  const list = (more) => collect(sdk.paginateListChannelMemberships({ client, pageSize: 1 }, as("alice", more)), "ChannelMemberships");
  const shown = await list({ Type: "DEFAULT" });
  assert.deepEqual(shown.items.map((m) => m.Member.Name).sort(), ["Alice", "Bob", "carol", "dave"]);
  assert.equal(shown.pages.at(-1).NextToken, undefined);
  assert.deepEqual((await list({ Type: "HIDDEN" })).items.map((m) => m.Member.Name), ["erin"]);
  const one = await client.describeChannelMembership(as("alice", { MemberArn: bob }));
  assert.equal(one.ChannelMembership.InvitedBy.Arn, alice);
  assert.ok(one.ChannelMembership.CreatedTimestamp instanceof Date);
  await client.deleteChannelMembership(as("alice", { MemberArn: server.userArn("dave") }));
  assert.equal((await list({ Type: "DEFAULT" })).items.length, 3);
});

test("messages are sent, read, listed by pages of one, updated, redacted, deleted", async () => {
  const send = (Content, more) => client.sendChannelMessage(as("alice", { Content, Type: "STANDARD", Persistence: "PERSISTENT", ...more }));
  const texts = ["one", "two ünïcödé 🎉", 'three "quoted"\n+%2B'];
  const ids = [];
  for (const text of texts) ids.push((await send(text)).MessageId);
  const again = [await send("once", { ClientRequestToken: "same" }), await send("once", { ClientRequestToken: "same" })];
  assert.equal(again[0].MessageId, again[1].MessageId);
  // Deleting for good is for administrators.
  const unwanted = as("alice", { MessageId: again[0].MessageId });
  await assert.rejects(client.deleteChannelMessage(unwanted), typed("ForbiddenException"));
  const admin = { AppInstanceArn: server.appArn, AppInstanceAdminArn: alice };
  await server.identity().createAppInstanceAdmin(admin);
  await client.deleteChannelMessage(unwanted);
  await server.identity().deleteAppInstanceAdmin(admin);
  for (const [SortOrder, want] of [["ASCENDING", ids], ["DESCENDING", [...ids].reverse()]]) {
    const { items, pages } = await collect(sdk.paginateListChannelMessages({ client, pageSize: 1 }, as("bob", { SortOrder })), "ChannelMessages");
    assert.deepEqual(items.map((m) => m.MessageId), want);
    assert.equal(pages.at(-1).NextToken, undefined);
    assert.ok(items.every((m) => m.CreatedTimestamp instanceof Date && m.Sender.Name === "Alice"));
  }
  const get = async (MessageId) => (await client.getChannelMessage(as("bob", { MessageId }))).ChannelMessage;
  assert.equal((await get(ids[1])).Content, texts[1]);
  assert.equal((await get(ids[2])).Content, texts[2]);
  const since = { NotBefore: (await get(ids[1])).CreatedTimestamp };
  const recent = await client.listChannelMessages(as("bob", since));
  assert.ok(recent.ChannelMessages.some((m) => m.MessageId === ids[2]));
  await client.updateChannelMessage(as("alice", { MessageId: ids[0], Content: "uno", Metadata: "m" }));
  const edited = await get(ids[0]);
  assert.equal(edited.Content, "uno");
  assert.ok(edited.LastEditedTimestamp instanceof Date);
  await client.redactChannelMessage(as("alice", { MessageId: ids[1] }));
  assert.equal((await get(ids[1])).Redacted, true);
  assert.equal((await get(ids[1])).Content, undefined);
  const { Status } = await client.getChannelMessageStatus(as("alice", { MessageId: ids[0] }));
  assert.equal(Status.Value, "SENT");
});

test("the read marker shows in the memberships of the user", async () => {
  await client.updateChannelReadMarker(as("bob"));
  const scope = { ChimeBearer: bob, AppInstanceUserArn: bob };
  const mine = await client.describeChannelMembershipForAppInstanceUser(as("bob", { AppInstanceUserArn: bob }));
  assert.ok(mine.ChannelMembership.AppInstanceUserMembershipSummary.ReadMarkerTimestamp instanceof Date);
  const pages = sdk.paginateListChannelMembershipsForAppInstanceUser({ client, pageSize: 1 }, scope);
  const { items, pages: got } = await collect(pages, "ChannelMemberships");
  assert.deepEqual(items.map((m) => m.ChannelSummary.Name).sort(), ["General", "The team"]);
  assert.equal(got.at(-1).NextToken, undefined);
});

test("tags and the endpoint of the session", async () => {
  await client.tagResource({ ResourceARN: ChannelArn, Tags: [{ Key: "c", Value: "d" }] });
  await client.untagResource({ ResourceARN: ChannelArn, TagKeys: ["a"] });
  assert.deepEqual((await client.listTagsForResource({ ResourceARN: ChannelArn })).Tags, [{ Key: "c", Value: "d" }]);
  assert.equal((await client.getMessagingSessionEndpoint({})).Endpoint.Url, new URL(server.http).host);
});

test("errors have their classes", async () => {
  const message = { Content: "x", Type: "STANDARD", Persistence: "PERSISTENT" };
  await assert.rejects(client.sendChannelMessage(as("dave", message)), typed("ForbiddenException"));
  await assert.rejects(client.sendChannelMessage(as("alice", { ...message, Type: "LOUD" })), typed("BadRequestException"));
  const missing = as("bob", { MessageId: "0".repeat(64) });
  await assert.rejects(client.getChannelMessage(missing), typed("NotFoundException"));
  const twice = { MemberArn: bob, Type: "DEFAULT" };
  await assert.rejects(client.createChannelMembership(as("alice", twice)), typed("ConflictException"));
  const once = server.messaging({ maxAttempts: 1 });
  await assert.rejects(once.listChannelBans(as("alice")), (e) => typed("ServiceUnavailableException")(e) && /ListChannelBans/.test(e.message));
  const limited = server.messaging({ credentials: await server.credentialsOf("bob") });
  await assert.rejects(limited.describeChannel(as("alice")), (e) => e.name === "AccessDeniedException" && e.$metadata.httpStatusCode === 403);
  assert.equal((await limited.describeChannel(as("bob"))).Channel.Name, "The team");
});

test("a channel is deleted", async () => {
  await client.deleteChannel(as("alice"));
  await assert.rejects(client.describeChannel(as("alice")), typed("ForbiddenException"));
});
