import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { connection, Harness, message } from "./harness";

const harness = new Harness();
beforeAll(() => harness.start());
afterAll(() => harness.stop());

/** Presses Tab until the element has the focus. */
async function tabTo(page: Page, testId: string): Promise<void> {
  for (let i = 0; i < 40; i++) {
    if (await page.getByTestId(testId).first().evaluate((e) => e === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`${testId} is not reached with Tab`);
}

const focused = (page: Page) => page.evaluate(() => document.activeElement?.getAttribute("data-testid"));

describe("with the keyboard alone", () => {
  test("a person signs in, writes, edits and removes", async () => {
    const { page } = await harness.open("/chat/");
    await page.getByTestId("user-alice").waitFor();
    await tabTo(page, "user-alice");
    await page.keyboard.press("Enter");
    await connection(page, "live");
    await page.getByTestId("channel-item").waitFor();
    await tabTo(page, "channel-item");
    await page.keyboard.press("Enter");
    await page.getByTestId("composer").waitFor();
    await expect.poll(() => focused(page)).toBe("composer");

    await page.keyboard.type("one");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two");
    await page.keyboard.press("Enter");
    await message(page, "one").waitFor();
    expect(await message(page, "one").getByTestId("message-content").textContent()).toBe("one\ntwo");
    expect(await focused(page)).toBe("composer");

    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Shift+Tab");
    expect(await focused(page)).toBe("edit");
    await page.keyboard.press("Enter");
    await page.keyboard.type(" three");
    await page.keyboard.press("Enter");
    await message(page, "three").waitFor();
    await expect.poll(() => focused(page)).toBe("edit");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await tabTo(page, "confirm");
    await page.keyboard.press("Enter");
    await page.getByTestId("message-removed").waitFor();
    await page.context().close();
  });

  test("Escape closes dialogs and panels, and the focus goes back", async () => {
    const { page } = await harness.inChannel("alice");
    await page.getByTestId("create-channel").focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => focused(page)).toBe("channel-name");
    await page.keyboard.press("Escape");
    await expect.poll(() => page.getByRole("dialog").count()).toBe(0);
    expect(await focused(page)).toBe("create-channel");

    await page.getByTestId("members-toggle").focus();
    await page.keyboard.press("Enter");
    await tabTo(page, "add-member");
    await page.keyboard.press("Enter");
    await expect.poll(() => focused(page)).toBe("user-filter");
    await page.keyboard.press("Escape");
    await expect.poll(() => focused(page)).toBe("add-member");
    await page.keyboard.press("Escape");
    await expect.poll(() => page.getByTestId("members").count()).toBe(0);
    expect(await focused(page)).toBe("members-toggle");
    await page.context().close();
  });
});

test("a phone shows one thing at a time, and nothing sticks out", async () => {
  const { world } = harness.server;
  world.addMessage(harness.general, world.userArn("bob"), `https://example.org/${"a".repeat(300)}`);
  const { page } = await harness.open("/chat/?user=alice", {
    viewport: { width: 360, height: 640 },
    isMobile: true,
    hasTouch: true,
  });
  const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth && window.innerWidth === 360);
  await page.getByTestId("channel-item").first().tap();
  await message(page, "example.org").waitFor();
  expect(await page.getByTestId("channel-item").first().isVisible()).toBe(false);
  expect(await fits()).toBe(true);
  await page.getByTestId("members-toggle").tap();
  expect(await fits()).toBe(true);
  await page.getByLabel("Close the members").tap();
  await page.getByTestId("back").tap();
  expect(await page.getByTestId("channel-item").first().isVisible()).toBe(true);
  expect(await fits()).toBe(true);
  await page.context().close();
});

test("the content policy lets nothing out", async () => {
  const { page, complaints } = await harness.open("/chat/");
  await page.getByTestId("user-alice").waitFor();
  const outcome = await page.evaluate(() => fetch("http://127.0.0.1:9/").then(() => "sent", () => "refused"));
  expect(outcome).toBe("refused");
  expect(complaints.join()).toContain("Content Security Policy");
  await page.context().close();
});

test("every control has a name", async () => {
  const { page } = await harness.inChannel("alice");
  await page.getByTestId("members-toggle").click();
  await page.getByTestId("member").first().waitFor();
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll("button, input, textarea")]
      .filter((e) => !(e.getAttribute("aria-label") || e.textContent?.trim() || (e as HTMLInputElement).labels?.length))
      .map((e) => e.outerHTML),
  );
  expect(nameless).toEqual([]);
  await page.context().close();
});
