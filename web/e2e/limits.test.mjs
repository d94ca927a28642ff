// Sessions of the published SDK against the limits of AWS: 10 connections for one user, and one
// more in a second (spec 4.10).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Server } from "./lib/server.mjs";
import { stage } from "./lib/stage.mjs";

const server = new Server({ limits: "aws" });
const open = stage(server);

test("of more sessions than allowed, started at once, ten come in one by one and the rest is refused", async () => {
  const tab = await open();
  const names = Array.from({ length: 12 }, (_, n) => `s${n}`);
  for (const name of names) await tab.begin("alice", { name });
  for (const name of names) await tab.untilSettled(name);
  const all = await Promise.all(names.map((name) => tab.seen(name)));
  const codes = (it) => it.closes.map((c) => c.code);
  const started = all.filter((it) => it.started === 1);
  assert.equal(started.length, 10);
  for (const it of started) assert.deepEqual([...new Set(codes(it))].filter((code) => code !== 4005), []);
  for (const it of all.filter((it) => it.started === 0)) {
    assert.deepEqual([it.refused, it.closes.at(-1)], [[4003], { code: 4003, reason: "the user already has 10 connections" }]);
  }
  assert.ok(all.some((it) => codes(it).includes(4005)), "no connection was one too many for its second");
  assert.equal(tab.asked, tab.sockets.length, "the endpoint is asked for before every connection");

  const Content = "to all ten";
  const message = { ChannelArn: server.generalArn, Type: "STANDARD", Persistence: "PERSISTENT", Content };
  await server.messaging().sendChannelMessage({ ...message, ChimeBearer: server.userArn("bob") });
  for (const name of names) if ((await tab.seen(name)).started) await tab.untilEvent(name, "CREATE_CHANNEL_MESSAGE", { Content });
});
