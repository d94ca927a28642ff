// @aws-sdk/client-chime-sdk-identity against the binary.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as sdk from "@aws-sdk/client-chime-sdk-identity";
import { collect, Server } from "./lib/server.mjs";

const server = new Server();
let client, AppInstanceArn;

before(async () => {
  await server.start();
  client = server.identity();
});
after(() => server.stop());

test("app instances are created, described, updated, listed", async () => {
  ({ AppInstanceArn } = await client.createAppInstance({ Name: "shop", Metadata: "m", Tags: [{ Key: "team", Value: "a" }] }));
  await client.updateAppInstance({ AppInstanceArn, Name: "store", Metadata: "n" });
  const { AppInstance } = await client.describeAppInstance({ AppInstanceArn });
  assert.equal(AppInstance.Name, "store");
  assert.ok(AppInstance.CreatedTimestamp instanceof Date);
  assert.ok(Math.abs(Date.now() - AppInstance.CreatedTimestamp) < 60_000);
  assert.ok(AppInstance.LastUpdatedTimestamp >= AppInstance.CreatedTimestamp);
  const { items, pages } = await collect(sdk.paginateListAppInstances({ client, pageSize: 1 }, {}), "AppInstances");
  assert.deepEqual(items.map((a) => a.Name).sort(), ["dev", "store"]);
  assert.equal(pages.at(-1).NextToken, undefined);
});

test("users are created, updated, paged by one, and deleted", async () => {
  const ids = ["ada", "us-east-1:colon", "zoe@example.org"];
  for (const AppInstanceUserId of ids) {
    const made = await client.createAppInstanceUser({ AppInstanceArn, AppInstanceUserId, Name: AppInstanceUserId });
    assert.equal(made.AppInstanceUserArn, `${AppInstanceArn}/user/${AppInstanceUserId}`);
  }
  const AppInstanceUserArn = `${AppInstanceArn}/user/ada`;
  await client.updateAppInstanceUser({ AppInstanceUserArn, Name: "Ada L.", Metadata: "" });
  const { AppInstanceUser } = await client.describeAppInstanceUser({ AppInstanceUserArn });
  assert.equal(AppInstanceUser.Name, "Ada L.");
  const { items, pages } = await collect(sdk.paginateListAppInstanceUsers({ client, pageSize: 1 }, { AppInstanceArn }), "AppInstanceUsers");
  assert.deepEqual(items.map((u) => u.Name).sort(), ["Ada L.", "us-east-1:colon", "zoe@example.org"]);
  assert.ok(pages.every((p) => (p.AppInstanceUsers ?? []).length <= 1));
  assert.equal(pages.at(-1).NextToken, undefined);

  const last = `${AppInstanceArn}/user/zoe@example.org`;
  await client.deleteAppInstanceUser({ AppInstanceUserArn: last });
  await assert.rejects(client.describeAppInstanceUser({ AppInstanceUserArn: last }), (error) => error.$metadata.httpStatusCode === 404);
});

test("a taken user id with another token is a conflict, the same token is not", async () => {
  const input = { AppInstanceArn, AppInstanceUserId: "twice", Name: "Twice", ClientRequestToken: "token-1" };
  const first = await client.createAppInstanceUser(input);
  assert.equal((await client.createAppInstanceUser(input)).AppInstanceUserArn, first.AppInstanceUserArn);
  const other = { ...input, Name: "Other", ClientRequestToken: "token-2" };
  await assert.rejects(client.createAppInstanceUser(other), (error) => error instanceof sdk.ConflictException);
});

test("admins are created, described, listed, removed", async () => {
  const admin = { AppInstanceArn, AppInstanceAdminArn: `${AppInstanceArn}/user/ada` };
  await client.createAppInstanceAdmin(admin);
  const { AppInstanceAdmin } = await client.describeAppInstanceAdmin(admin);
  assert.equal(AppInstanceAdmin.Admin.Name, "Ada L.");
  assert.ok(AppInstanceAdmin.CreatedTimestamp instanceof Date);
  const { items } = await collect(sdk.paginateListAppInstanceAdmins({ client, pageSize: 1 }, { AppInstanceArn }), "AppInstanceAdmins");
  assert.deepEqual(items.map((a) => a.Admin.Arn), [admin.AppInstanceAdminArn]);
  await client.deleteAppInstanceAdmin(admin);
  assert.deepEqual((await client.listAppInstanceAdmins({ AppInstanceArn })).AppInstanceAdmins, []);
});

test("tags are set, listed, removed", async () => {
  const ResourceARN = AppInstanceArn;
  await client.tagResource({ ResourceARN, Tags: [{ Key: "stage", Value: "test" }] });
  await client.untagResource({ ResourceARN, TagKeys: ["team"] });
  assert.deepEqual((await client.listTagsForResource({ ResourceARN })).Tags, [{ Key: "stage", Value: "test" }]);
});

test("errors have their classes", async () => {
  await assert.rejects(client.createAppInstance({ Name: "" }), (e) => e instanceof sdk.BadRequestException && /Name/.test(e.message));
  const missing = client.describeAppInstanceBot({ AppInstanceBotArn: `${AppInstanceArn}/bot/none` });
  await assert.rejects(missing, (e) => e instanceof sdk.NotFoundException && /AppInstanceBotArn/.test(e.message));
});

test("an app instance is deleted", async () => {
  await client.deleteAppInstance({ AppInstanceArn });
  await assert.rejects(client.describeAppInstance({ AppInstanceArn }), (e) => [403, 404].includes(e.$metadata.httpStatusCode));
});
