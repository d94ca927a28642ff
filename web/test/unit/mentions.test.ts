import { expect, test } from "vitest";
import { fitting, mentioned, typedAt } from "../../src/model/mentions";

const people = ["Bob", "Bob Smith", "Bobby", "Ann", "Ann", "R2-D2", "Zoë"].map((name, i) => ({ arn: `arn-${i}`, name }));
const names = (list: { arn: string; name: string }[]) => list.map((p) => p.name).join(", ");

test.each([
  ["hello", ""],
  ["@Bob", "Bob"],
  ["@bob, look", "Bob"],
  ["ask @Bob Smith about it", "Bob Smith"],
  ["@Bob Smithers", "Bob"],
  ["@Bobby and @Bob", "Bobby, Bob"],
  ["@Bob @Bob", "Bob"],
  ["bob@Ann", ""],
  ["(@Ann)", "Ann, Ann"],
  ["@r2-d2!", "R2-D2"],
  ["@Zoë", "Zoë"],
  ["@Zo", ""],
  ["@", ""],
  ["@@Bob", "Bob"],
])("%s mentions %s", (text, want) => expect(names(mentioned(text, people))).toBe(want));

test.each([
  ["hello @b", 8, "Bob, Bob Smith, Bobby"],
  ["hello @bobb", 11, "Bobby"],
  ["hello @sm", 9, "Bob Smith"],
  ["hello @bob s", 12, "Bob Smith"],
  ["@bob", 4, ""], // a whole name
  ["@bob is", 7, ""],
  ["@ann and more", 3, "Ann, Ann"],
  ["@", 1, names(people)],
  ["me@b", 4, ""],
  ["@b\nc", 4, ""],
  ["@ b", 3, ""],
  ["b", 1, ""],
  ["@b", 0, ""],
])("%j with the caret at %i offers %s", (text, caret, want) => {
  const typed = typedAt(text, caret);
  expect(typed === undefined ? "" : names(fitting(typed, people))).toBe(want);
});
