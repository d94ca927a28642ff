import { describe, expect, test } from "vitest";
import { withMessage, withPage, withRefetched } from "../../src/state/messages";
import { message } from "./fixtures";

const ids = (list: { id: string }[]) => list.map((m) => m.id).join(" ");

describe("a live message", () => {
  test("stands in order of creation, whatever order it came in", () => {
    let list = withMessage([], message("c", 30));
    list = withMessage(list, message("a", 10));
    list = withMessage(list, message("b", 20));
    expect(ids(list)).toBe("a b c");
  });

  test("keeps the order of arrival when times are equal", () => {
    let list = withMessage([], message("z", 10));
    list = withMessage(list, message("a", 10));
    expect(ids(list)).toBe("z a");
  });

  test("that comes twice is there once", () => {
    const list = withMessage([message("a", 10)], message("a", 10));
    expect(ids(list)).toBe("a");
  });

  test("in an older version does not undo a newer one", () => {
    const redacted = message("a", 10, { redacted: true, updatedAt: 50 });
    const list = withMessage([redacted], message("a", 10, { content: "old", updatedAt: 20 }));
    expect(list[0]?.redacted).toBe(true);
  });
});

describe("a page of history", () => {
  test("goes before what is there, without doubles", () => {
    const list = withPage([message("c", 30)], [message("c", 30), message("b", 20), message("a", 10)]);
    expect(ids(list)).toBe("a b c");
  });

  test("keeps the service's order for equal times", () => {
    const list = withPage([], [message("second", 10), message("first", 10)]);
    expect(ids(list)).toBe("first second");
  });

  test("puts equal times of an older page above", () => {
    const list = withPage([message("late", 10)], [message("early", 10)]);
    expect(ids(list)).toBe("early late");
  });

  test("leaves out control messages", () => {
    expect(withPage([], [message("a", 10, { control: true })])).toEqual([]);
  });
});

describe("a refetch", () => {
  const before = new Set(["a", "b", "live-only"]);

  test("drops what was deleted meanwhile and keeps what arrived meanwhile", () => {
    const list = [message("a", 10), message("b", 20), message("during", 40)];
    expect(ids(withRefetched(list, before, [message("new", 30), message("a", 10)]))).toBe("a new during");
  });

  test("keeps unstored messages, which no list returns", () => {
    const list = [message("live-only", 10, { persistent: false })];
    expect(ids(withRefetched(list, before, []))).toBe("live-only");
  });

  test("brings edits", () => {
    const edited = message("a", 10, { content: "changed", updatedAt: 90, edited: true });
    expect(withRefetched([message("a", 10)], before, [edited])[0]?.content).toBe("changed");
  });
});
