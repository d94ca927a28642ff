import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connection, Harness, message, write } from "./harness";

let harness: Harness;
beforeEach(async () => {
  harness = new Harness();
  await harness.start();
});
afterEach(() => harness.stop());

describe("when the server is gone for a while", () => {
  test("the page comes back by itself and shows all that happened, once", async () => {
    const { world } = harness.server;
    const [alice, bob] = [world.userArn("alice"), world.userArn("bob")];
    const kept = world.addMessage(harness.general, bob, "before");
    const doomed = world.addMessage(harness.general, bob, "to be deleted");
    const { page } = await harness.inChannel("alice");
    await message(page, "to be deleted").waitFor();

    await harness.server.stop();
    await connection(page, "reconnecting");
    Object.assign(kept, { content: "before, edited", editedAt: world.tick(), updatedAt: world.tick() });
    harness.general.messages = harness.general.messages.filter((m) => m !== doomed);
    for (let i = 1; i <= 60; i++) world.addMessage(harness.general, i % 2 ? bob : alice, `missed ${i}.`);
    await harness.server.start();
    await connection(page, "live");

    await message(page, "before, edited").waitFor();
    await message(page, "missed 60.").waitFor();
    const texts = await page.getByTestId("message-content").allTextContents();
    expect(texts).toEqual(["before, edited", ...Array.from({ length: 60 }, (_, i) => `missed ${i + 1}.`)]);
  });

  test("a text that could not be sent is kept and sent once by Retry", async () => {
    const { page } = await harness.inChannel("alice");
    await harness.server.stop();
    await write(page, "do not lose me");
    await page.getByTestId("error").getByText("cannot be reached").waitFor();
    expect(await page.getByTestId("outbox-item").textContent()).toContain("do not lose me");
    await harness.server.start();
    await connection(page, "live");
    await page.getByTestId("retry").click();
    await message(page, "do not lose me").waitFor();
    await expect.poll(() => page.getByTestId("outbox-item").count()).toBe(0);
    expect(harness.general.messages.map((m) => m.content)).toEqual(["do not lose me"]);
  });
});

describe("when the server ends the session", () => {
  test("for good, the person can start a new one", async () => {
    const { page } = await harness.inChannel("alice");
    harness.server.closeSockets(4003);
    await connection(page, "stopped");
    await page.getByText("The server closed this session (4003)").waitFor();
    await write(page, "sent without a socket");
    await message(page, "sent without a socket").waitFor();

    await page.getByTestId("reconnect").click();
    await connection(page, "live");
    harness.server.emit([harness.server.world.userArn("alice")], "UPDATE_CHANNEL", {
      ChannelArn: harness.general.arn,
      Name: "Live again",
    });
    await expect.poll(() => page.getByTestId("channel-title").textContent()).toBe("Live again");
  });

  test("with a code to come back for, it comes back; refused then, it stops", async () => {
    const { page } = await harness.inChannel("alice");
    harness.server.refuseWith = 4401;
    harness.server.closeSockets(1012);
    await connection(page, "stopped");
    await page.getByText("did not accept the sign-in (4401: refused)").waitFor();
    harness.server.refuseWith = undefined;
    await page.getByTestId("reconnect").click();
    await connection(page, "live");

    const attempts = () => harness.server.calls.filter((c) => c === "GetMessagingSessionEndpoint").length;
    const before = attempts();
    harness.server.closeSockets(1012);
    await expect.poll(attempts, { timeout: 10_000 }).toBe(before + 1);
    await connection(page, "live");
  });

  test("before it began, the page still shows what can be fetched", async () => {
    harness.server.refuseWith = 4401;
    harness.server.world.addMessage(harness.general, harness.server.world.userArn("bob"), "stored");
    const { page } = await harness.open("/chat/?user=alice#general");
    await connection(page, "stopped");
    await message(page, "stored").waitFor();
  });
});

describe("errors are told in words with the exception's name", () => {
  test("in the stream for a message, keeping the text to go on with", async () => {
    const { page } = await harness.inChannel("alice");
    harness.server.refuse("SendChannelMessage", 403, "ForbiddenException", "insufficient access");
    await write(page, "not allowed");
    await page.getByTestId("error").getByText("You are not allowed to do this. (ForbiddenException: insufficient access)").waitFor();
    await page.getByTestId("take-back").click();
    expect(await page.getByTestId("composer").inputValue()).toBe("not allowed");
  });

  test("in a dialog, which stays open with what was typed", async () => {
    const { page } = await harness.inChannel("alice");
    harness.server.refuse("CreateChannel", 400, "ResourceLimitExceededException", "too many channels");
    await page.getByTestId("create-channel").click();
    await page.getByTestId("channel-name").fill("One more");
    await page.keyboard.press("Enter");
    await page.getByTestId("error").getByText("ResourceLimitExceededException").waitFor();
    expect(await page.getByTestId("channel-name").inputValue()).toBe("One more");
  });

  test("while editing, which stays open too", async () => {
    const { page } = await harness.inChannel("alice");
    await write(page, "mine");
    await message(page, "mine").hover();
    await message(page, "mine").getByTestId("edit").click();
    harness.server.refuse("UpdateChannelMessage", 409, "ConflictException", "already redacted");
    await page.getByTestId("edit-text").fill("mine too");
    await page.getByTestId("edit-save").click();
    await page.getByTestId("error").getByText("ConflictException").waitFor();
    expect(await page.getByTestId("edit-text").inputValue()).toBe("mine too");
  });

  test("for the lists, which can be tried again", async () => {
    harness.server.refuse("ListChannelMembershipsForAppInstanceUser", 403, "ForbiddenException", "no");
    const { page } = await harness.open("/chat/?user=alice");
    await page.getByTestId("error").getByText("Your channels could not be loaded").waitFor();
    harness.server.allow("ListChannelMembershipsForAppInstanceUser");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByTestId("channel-item").waitFor();
  });
});

describe("signing in", () => {
  test("outside dev mode is explained", async () => {
    harness.server.devMode = false;
    const { page } = await harness.open("/chat/");
    await page.getByText("This page needs dev mode").waitFor();
  });

  test("as nobody gives the choice again", async () => {
    const { page } = await harness.open("/chat/?user=nobody");
    await page.getByTestId("error").getByText("there is no user nobody").waitFor();
    await page.getByTestId("user-alice").click();
    await connection(page, "live");
  });

  test("is renewed before the credentials expire", async () => {
    harness.server.credentialLifeMs = 1_000;
    const { page } = await harness.inChannel("alice");
    const exchanges = () => harness.server.calls.filter((c) => c === "credentials").length;
    const before = exchanges();
    await expect
      .poll(
        async () => {
          await page.getByTestId("refresh-public").click();
          return exchanges();
        },
        { timeout: 10_000, interval: 300 },
      )
      .toBeGreaterThan(before);
    expect(await page.getByTestId("error").count()).toBe(0);
  });
});
