import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { connection, Harness, message, write, type Person } from "./harness";

const harness = new Harness();
const people: Person[] = [];
beforeAll(() => harness.start());
afterAll(() => harness.stop());

async function enter(user: string, channel?: string): Promise<Person["page"]> {
  const person = await harness.inChannel(user, channel);
  people.push(person);
  return person.page;
}

// Whatever a test did: nothing left the machine, and nothing broke unseen.
afterEach(async () => {
  for (const person of people.splice(0)) {
    expect(person.strayRequests).toEqual([]);
    expect(person.complaints).toEqual([]);
    await person.page.context().close();
  }
});

describe("two people", () => {
  test("see each other's messages live, once, and who is typing", async () => {
    const [alice, bob] = [await enter("alice"), await enter("bob")];
    await write(alice, "Good morning");
    await message(bob, "Good morning").waitFor();
    await write(bob, "line one");
    await message(alice, "line one").waitFor();
    expect(await alice.getByTestId("announcer").textContent()).toBe("Bob: line one");
    expect(await message(alice, "Good morning").count()).toBe(1);
    await expect.poll(() => alice.getByTestId("outbox-item").count()).toBe(0);

    await bob.getByTestId("composer").pressSequentially("hm");
    await alice.getByText("Bob is typing…").waitFor();
    await alice.getByText("Bob is typing…").waitFor({ state: "detached", timeout: 10_000 });
  });

  test("see edits and removals of each other, and can change only their own", async () => {
    const [alice, bob] = [await enter("alice"), await enter("bob")];
    await write(alice, "a typo hree");
    const id = await message(alice, "a typo hree").getAttribute("data-message-id");
    const asBob = bob.locator(`[data-message-id=${id}]`);
    const asAlice = alice.locator(`[data-message-id=${id}]`);

    await asAlice.hover();
    await asAlice.getByTestId("edit").click();
    await asAlice.getByTestId("edit-text").fill("a typo here");
    await alice.keyboard.press("Enter");
    await asBob.getByText("a typo here").waitFor();
    await asBob.getByTestId("message-edited").waitFor();
    expect(await asBob.getByTestId("edit").count()).toBe(0);

    await asAlice.getByTestId("redact").click();
    await alice.getByTestId("confirm").click();
    await asBob.getByTestId("message-removed").waitFor();
    expect(await asBob.getByText("typo").count()).toBe(0);
  });

  test("start a channel of their own", async () => {
    const [alice, bob] = [await enter("alice"), await enter("bob")];
    await alice.getByTestId("create-channel").click();
    await alice.getByTestId("channel-name").fill("Plans");
    await alice.getByTestId("privacy-private").check();
    await alice.getByTestId("mode-unrestricted").check();
    await alice.getByTestId("channel-create").click();
    await expect.poll(() => alice.getByTestId("channel-title").textContent()).toBe("Plans");
    await alice.getByText("No messages yet").waitFor();

    await alice.getByTestId("members-toggle").click();
    await alice.getByTestId("add-member").click();
    await alice.getByTestId("user-filter").fill("bo");
    await alice.getByTestId("add-bob").click();
    const plans = bob.getByTestId("channel-item").filter({ hasText: "Plans" });
    await plans.waitFor();
    await alice.keyboard.press("Escape");

    await write(alice, "welcome");
    await plans.getByTestId("unread").waitFor();
    await plans.click();
    await message(bob, "welcome").waitFor();
    expect(await plans.getByTestId("unread").count()).toBe(0);

    const row = alice.getByTestId("member").filter({ hasText: "Bob" });
    await row.getByTestId("remove-member").click();
    await alice.getByTestId("confirm").click();
    await row.waitFor({ state: "detached" });
    await bob.getByTestId("error").getByText("Plans").waitFor();
    await plans.waitFor({ state: "detached" });
  });
});

test("a public channel can be joined and left", async () => {
  const { page } = await harness.open("/chat/?user=carol");
  await page.getByText("You are in no channel yet").waitFor();
  await page.getByTestId("public-channel").filter({ hasText: "General" }).getByTestId("join").click();
  await expect.poll(() => page.getByTestId("channel-title").textContent()).toBe("General");
  await page.getByTestId("leave").click();
  await page.getByTestId("confirm").click();
  await page.getByText("You are in no channel yet").waitFor();
  await page.getByTestId("public-channel").filter({ hasText: "General" }).waitFor();
  expect(await page.getByTestId("error").count()).toBe(0);
  await page.context().close();
});

test("older messages load above without moving what is read", async () => {
  const { world } = harness.server;
  const long = world.addChannel("long", "Long", [world.userArn("alice")]);
  for (let i = 1; i <= 70; i++) world.addMessage(long, world.userArn("bob"), `number ${i}.`);
  const alice = await enter("alice", "long");
  await message(alice, "number 70.").waitFor();
  await expect.poll(() => message(alice, "number 70.").isVisible()).toBe(true);
  expect(await alice.getByTestId("message").count()).toBe(50);

  await alice.getByTestId("load-older").scrollIntoViewIfNeeded();
  const anchor = message(alice, "number 21.");
  const before = (await anchor.boundingBox())!.y;
  await alice.getByTestId("load-older").click();
  await message(alice, "number 1.").first().waitFor();
  expect(await alice.getByTestId("message").count()).toBe(70);
  await expect.poll(async () => Math.abs((await anchor.boundingBox())!.y - before) < 60).toBe(true);
  expect(await alice.getByTestId("load-older").count()).toBe(0);
});

test("what one sends oneself is always seen, and so is what comes after it", async () => {
  const { world } = harness.server;
  const long = world.addChannel("endless", "Endless", [world.userArn("alice"), world.userArn("bob")]);
  for (let i = 1; i <= 40; i++) world.addMessage(long, world.userArn("bob"), `number ${i}.`);
  const [alice, bob] = [await enter("alice", "endless"), await enter("bob", "endless")];
  await message(alice, "number 40.").waitFor();
  const inView = (text: string) =>
    message(alice, text).evaluate((node) => {
      const box = node.closest(".scroller")!.getBoundingClientRect();
      return node.getBoundingClientRect().bottom <= box.bottom + 1;
    });
  const toEnd = alice.getByRole("button", { name: "Newest messages" });

  // Typing lets the composer grow line by line, and the list must go on following.
  const words = "one word after the other until the composer has grown to several lines ".repeat(9).trim();
  await alice.getByTestId("composer").pressSequentially(words);
  expect(await toEnd.count()).toBe(0);
  await alice.keyboard.press("Enter");
  await message(alice, words).waitFor();
  await expect.poll(() => inView(words)).toBe(true);
  await write(bob, "answer");
  await message(alice, "answer").waitFor();
  await expect.poll(() => inView("answer")).toBe(true);

  // Who has scrolled up stays there when others write, and goes to the end with an own message.
  await message(alice, "number 5.").scrollIntoViewIfNeeded();
  await toEnd.waitFor();
  await write(bob, "unseen");
  await message(alice, "unseen").waitFor();
  expect(await inView("unseen")).toBe(false);
  await write(alice, "here I am");
  await message(alice, "here I am").waitFor();
  await expect.poll(() => inView("here I am")).toBe(true);
  await toEnd.waitFor({ state: "detached" });
});

test("changes of the channel itself are seen", async () => {
  const { world, emit } = harness.server;
  const members = [world.userArn("alice")];
  const channel = world.addChannel("short-lived", "Short-lived", members);
  const alice = await enter("alice", "short-lived");
  const shape = { ChannelArn: channel.arn, Name: "Renamed", Mode: "RESTRICTED", Privacy: "PUBLIC" };
  emit(members, "UPDATE_CHANNEL", shape);
  await expect.poll(() => alice.getByTestId("channel-title").textContent()).toBe("Renamed");
  emit(members, "DELETE_CHANNEL", shape);
  await alice.getByTestId("error").getByText("was deleted").waitFor();
  expect(await alice.getByTestId("composer").count()).toBe(0);
  await alice.getByTestId("dismiss").click();
  await expect.poll(() => alice.getByTestId("error").count()).toBe(0);
  harness.server.world.channels.delete(channel.arn);
});

test("reload keeps person and channel, another tab can be somebody else", async () => {
  const page = (await harness.open("/chat/")).page;
  await page.getByTestId("user-alice").click();
  await page.getByTestId("channel-item").filter({ hasText: "General" }).click();
  await page.getByTestId("composer").waitFor();
  await page.reload();
  await expect.poll(() => page.getByTestId("channel-title").textContent()).toBe("General");
  expect(await page.getByTestId("me").textContent()).toBe("Alice Young");

  const other = await page.context().newPage();
  await other.goto(`${harness.server.origin}/chat/`);
  await other.getByTestId("user-bob").click();
  await connection(other, "live");
  expect(await page.getByTestId("me").textContent()).toBe("Alice Young");

  await page.goBack();
  await page.getByText("Choose a channel").waitFor();
  await page.getByTestId("switch-user").click();
  await page.getByTestId("user-carol").waitFor();
  await page.context().close();
});
