// The main job: two people chat on the page of the real program, also when it is killed.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { paginateListChannelMessages } from "@aws-sdk/client-chime-sdk-messaging";
import { Browser, chat, connection, message, shown, write } from "./lib/browser.mjs";
import { collect, eventually, Server } from "./lib/server.mjs";

const server = new Server();
const browser = new Browser();
let alice, bob;

before(async () => {
  await Promise.all([server.start(), browser.start()]);
  await server.identity().createAppInstanceUser({ AppInstanceArn: server.appArn, AppInstanceUserId: "carol", Name: "Carol" });
  [alice, bob] = await Promise.all([chat(browser, server.http, "alice"), chat(browser, server.https, "bob")]);
});
after(async () => {
  await browser.stop();
  await server.stop();
});
afterEach(() => browser.assertQuiet());

/** The stored messages of General from old to new, as id and text. */
async function history() {
  const input = { ChannelArn: server.generalArn, ChimeBearer: server.userArn("alice"), SortOrder: "ASCENDING" };
  const { items } = await collect(paginateListChannelMessages({ client: server.messaging() }, input), "ChannelMessages");
  return items.map((m) => [m.MessageId, m.Content]);
}

test("alice over http and bob over https see each other's messages, typing, edits and removals", async () => {
  await write(alice, "Good morning, Bob");
  await message(bob, "Good morning, Bob").waitFor();
  await write(bob, "Good morning to you");
  await message(alice, "Good morning to you").waitFor();
  assert.equal(await message(alice, "Good morning, Bob").count(), 1);

  await bob.getByTestId("composer").pressSequentially("hm");
  await alice.getByText("Bob is typing…").waitFor();
  await bob.getByTestId("composer").fill("");

  await write(alice, "a typo hree");
  const id = await message(alice, "a typo hree").getAttribute("data-message-id");
  const [asAlice, asBob] = [alice, bob].map((page) => page.locator(`[data-message-id="${id}"]`));
  await asAlice.hover();
  await asAlice.getByTestId("edit").click();
  await asAlice.getByTestId("edit-text").fill("a typo here");
  await alice.keyboard.press("Enter");
  await asBob.getByText("a typo here").waitFor();
  await asBob.getByTestId("message-edited").waitFor();
  assert.equal(await asBob.getByTestId("edit").count(), 0);

  await asAlice.hover();
  await asAlice.getByTestId("redact").click();
  await alice.getByTestId("confirm").click();
  await asBob.getByTestId("message-removed").waitFor();
  assert.equal(await asBob.getByText("typo").count(), 0);
});

test("one's own message leaves no channel unread, neither here nor for other clients", async () => {
  await write(alice, "the last word");
  await message(alice, "the last word").waitFor();
  const marker = async () => {
    const { ChannelMembership } = await server.messaging().describeChannelMembershipForAppInstanceUser({
      ChannelArn: server.generalArn, AppInstanceUserArn: server.userArn("alice"), ChimeBearer: server.userArn("alice"),
    });
    const { AppInstanceUserMembershipSummary: seen } = ChannelMembership;
    return seen.ReadMarkerTimestamp >= ChannelMembership.ChannelSummary.LastMessageTimestamp;
  };
  await eventually("the read marker is past the message", marker);
  await alice.goto(`${server.http}/chat/?user=alice`);
  await connection(alice, "live");
  const general = alice.getByTestId("channel-item").filter({ hasText: "General" });
  await general.waitFor();
  assert.equal(await general.getByTestId("unread").count(), 0);
  await general.click();
  await message(alice, "the last word").waitFor();
});

test("alice creates a channel and adds bob, who sees it at once", async () => {
  await alice.getByTestId("create-channel").click();
  await alice.getByTestId("channel-name").fill("Plans");
  await alice.getByTestId("privacy-private").check();
  await alice.getByTestId("channel-create").click();
  await alice.getByTestId("channel-title").getByText("Plans").waitFor();
  await alice.getByTestId("members-toggle").click();
  await alice.getByTestId("add-member").click();
  await alice.getByTestId("user-filter").fill("bo");
  await alice.getByTestId("add-bob").click();
  const plans = bob.getByTestId("channel-item").filter({ hasText: "Plans" });
  await plans.waitFor();
  await alice.keyboard.press("Escape");
  await write(alice, "welcome to the plans");
  await plans.getByTestId("unread").waitFor();
  await plans.click();
  await message(bob, "welcome to the plans").waitFor();
  for (const page of [alice, bob]) {
    await page.getByTestId("channel-item").filter({ hasText: "General" }).click();
    await page.getByTestId("channel-title").getByText("General").waitFor();
  }
});

test("killed in the middle of sending, nothing acknowledged is missing or doubled", { timeout: 90_000 }, async () => {
  const acknowledged = new Set();
  for (const page of [alice, bob]) {
    page.on("requestfinished", async (request) => {
      if (request.method() !== "POST" || !request.url().endsWith("/messages")) return;
      const answer = await (await request.response()).json().catch(() => ({}));
      if (answer.MessageId && request.postDataJSON().Persistence === "PERSISTENT") acknowledged.add(answer.MessageId);
    });
  }
  // Programs send at the same time as people, so that the kill meets many messages on their way.
  const client = server.messaging({ maxAttempts: 1 });
  let refused = 0;
  const program = async (name) => {
    for (let n = 0; refused < 8; n++) {
      const input = { ChannelArn: server.generalArn, ChimeBearer: server.userArn("alice"), Type: "STANDARD", Persistence: "PERSISTENT" };
      await client.sendChannelMessage({ ...input, Content: `program ${name}, ${n}` }).then(
        (answer) => acknowledged.add(answer.MessageId),
        () => refused++,
      );
    }
  };
  // People write before the kill, during it, and while the server is away.
  const written = { alice: [], bob: [] };
  let gone = false;
  const person = async (page, name) => {
    for (let more = 3; more > 0; more -= gone ? 1 : 0) {
      const text = `${name} says ${written[name].length}.`;
      written[name].push(text);
      await write(page, text);
    }
  };
  const people = Promise.all([person(alice, "alice"), person(bob, "bob")]);
  const programs = Promise.all(Array.from({ length: 4 }, (_, i) => program(i)));
  await eventually("sending", () => acknowledged.size > 30);
  const killedAt = Date.now();
  await server.kill();
  gone = true;
  await programs;
  await Promise.all([people, connection(alice, "reconnecting"), connection(bob, "reconnecting")]);
  await server.start();
  assert.ok(Date.now() - killedAt < 5_000, "restarted within 5 s");
  await Promise.all([connection(alice, "live"), connection(bob, "live")]);

  for (const page of [alice, bob]) {
    await eventually("every text of a person is sent", async () => {
      const retry = page.getByTestId("retry");
      if ((await retry.count()) > 0) await retry.first().click();
      return (await page.getByTestId("outbox-item").count()) === 0;
    });
  }
  const stored = await history();
  const ids = stored.map(([id]) => id);
  assert.equal(new Set(ids).size, ids.length, "no message is stored twice");
  assert.deepEqual([...acknowledged].filter((id) => !ids.includes(id)), [], "every acknowledged message is stored");
  for (const name of ["alice", "bob"]) {
    const texts = stored.map(([, text]) => text).filter((text) => text?.startsWith(`${name} says`)).sort();
    assert.deepEqual(texts, written[name].sort(), "each text is stored once");
  }
  for (const page of [alice, bob]) {
    const visible = await eventually("the page shows the newest", async () => {
      const all = await shown(page);
      return all.at(-1)?.[0] === ids.at(-1) && all;
    });
    const first = stored.findIndex(([id]) => id === visible[0][0]);
    assert.deepEqual(visible.map(([id]) => id), ids.slice(first), "the page shows history, without gap or double");
  }
});

test("after the restart both still hear each other", async () => {
  await write(alice, "still there?");
  await message(bob, "still there?").waitFor();
  await write(bob, "yes, still");
  await message(alice, "yes, still").waitFor();
});

if (process.env.E2E_SHOTS) {
  test("pictures for people to look at", async () => {
    const dir = process.env.E2E_SHOTS;
    await alice.screenshot({ path: `${dir}/desktop.png` });
    await alice.getByTestId("members-toggle").click();
    await alice.screenshot({ path: `${dir}/desktop-members.png` });
    const phone = await chat(browser, server.http, "bob", { viewport: { width: 360, height: 740 }, hasTouch: true });
    await message(phone, "yes, still").waitFor();
    await phone.screenshot({ path: `${dir}/phone.png` });
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `the page is ${wide} px wide on a phone`);
    await phone.goBack().catch(() => {});
    await phone.goto(`${server.http}/chat/?user=bob`);
    await phone.getByTestId("my-channels").waitFor();
    await phone.screenshot({ path: `${dir}/phone-channels.png` });
  });
}
