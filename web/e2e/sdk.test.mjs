// What AWS's JavaScript SDK does with answers besides calls: its paginators, times, retries and
// credentials of one user. What each operation answers is in conformance/cases.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as identity from "@aws-sdk/client-chime-sdk-identity";
import * as messaging from "@aws-sdk/client-chime-sdk-messaging";
import { collect, Server } from "./lib/server.mjs";

const server = new Server();
let client;
before(async () => {
  await server.start();
  client = server.messaging();
});
after(() => server.stop());

test("its paginators end", async () => {
  const users = identity.paginateListAppInstanceUsers({ client: server.identity(), pageSize: 1 }, { AppInstanceArn: server.appArn });
  const { items, pages } = await collect(users, "AppInstanceUsers");
  assert.deepEqual(items.map((u) => u.Name), ["Alice", "Bob"]);
  assert.ok(pages.every((page) => page.AppInstanceUsers.length <= 1));
  assert.equal(pages.at(-1).NextToken, undefined);

  const channel = { ChannelArn: server.generalArn, ChimeBearer: server.userArn("alice") };
  const message = { ...channel, Type: "STANDARD", Persistence: "PERSISTENT" };
  for (const Content of ["one", "two", "three"]) await client.sendChannelMessage({ ...message, Content });
  const messages = messaging.paginateListChannelMessages({ client, pageSize: 1 }, { ...channel, SortOrder: "ASCENDING" });
  assert.deepEqual((await collect(messages, "ChannelMessages")).items.map((m) => m.Content), ["one", "two", "three"]);
});

test("its times are dates", async () => {
  const { AppInstance } = await server.identity().describeAppInstance({ AppInstanceArn: server.appArn });
  assert.ok(AppInstance.CreatedTimestamp instanceof Date);
  const { Channel } = await client.describeChannel({ ChannelArn: server.generalArn, ChimeBearer: server.userArn("alice") });
  assert.ok(Channel.CreatedTimestamp instanceof Date);
});

test("a retry with the token that it makes itself changes nothing twice", async () => {
  let first = true;
  const losing = server.messaging({ retryMode: "standard", maxAttempts: 2 });
  losing.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      if (!first) return answer;
      first = false;
      throw Object.assign(new Error("the answer is lost"), { name: "TimeoutError", $retryable: {} });
    },
    { step: "finalizeRequest", priority: "low" },
  );
  const channel = { ChannelArn: server.generalArn, ChimeBearer: server.userArn("bob") };
  const sent = await losing.sendChannelMessage({ ...channel, Content: "once", Type: "STANDARD", Persistence: "PERSISTENT" });
  const { ChannelMessages } = await client.listChannelMessages(channel);
  assert.deepEqual(ChannelMessages.filter((m) => m.Content === "once").map((m) => m.MessageId), [sent.MessageId]);
  assert.equal(first, false);
});

test("credentials of one user are for that user alone", async () => {
  const limited = server.messaging({ credentials: await server.credentialsOf("bob") });
  const general = (user) => ({ ChannelArn: server.generalArn, ChimeBearer: server.userArn(user) });
  await assert.rejects(limited.describeChannel(general("alice")), (e) => e.name === "AccessDeniedException" && e.$metadata.httpStatusCode === 403);
  assert.equal((await limited.describeChannel(general("bob"))).Channel.Name, "General");
});
