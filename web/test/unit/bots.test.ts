import { describe, expect, test } from "vitest";
import { toMessage, type RawMessage } from "../../src/model/convert";

const bot = { Arn: "arn:aws:chime:us-east-1:000000000000:app-instance/dev/bot/1", Name: "Helper" };
const said = (raw: RawMessage) => toMessage({ MessageId: "m", ChannelArn: "c", Sender: bot, Type: "STANDARD", ...raw });
const lex = (content: unknown) => said({ ContentType: "application/amz-chime-lex-msgs", Content: JSON.stringify(content) });

describe("what a bot says", () => {
  test("is the text of Lex's messages", () => {
    expect(lex({ Messages: [{ Content: "Which day?", ContentType: "PlainText" }, { Content: "Or never?" }] }).content).toBe(
      "Which day?\nOr never?",
    );
  });

  test("on a card is its texts and what may be answered", () => {
    const card = { Title: "Rooms", Subtitle: "Two are free", ImageUrl: "https://x.example/r.png", Buttons: [{ Text: "Red", Value: "red" }] };
    expect(lex({ Messages: [{ ContentType: "ImageResponseCard", ImageResponseCard: card }] }).content).toBe("Rooms\nTwo are free\n• Red");
  });

  test("is shown as it is when it is not in Lex's form", () => {
    expect(said({ ContentType: "application/amz-chime-lex-msgs", Content: "oops" }).content).toBe("oops");
    expect(lex({ Messages: 7 }).content).toBe('{"Messages":7}');
    expect(lex({ Messages: [null, { Content: 7 }, { Content: "fine" }] }).content).toContain("fine");
    expect(lex({ Messages: [] }).content).toBe("");
  });

  test("of a failure is for people, although it is a CONTROL message", () => {
    const failure = said({ Type: "CONTROL", ContentType: "application/amz-chime-lex-error", Content: '{"Code":403}' });
    expect([failure.control, failure.content]).toEqual([false, "cannot answer now (error 403)"]);
    expect(said({ Type: "CONTROL", Content: "{}" }).control).toBe(true);
  });
});

describe("an answer that is written piece by piece", () => {
  const written = (Metadata?: string) => said({ Content: "It is", LastEditedTimestamp: "2026-11-30T00:00:00Z", Metadata });

  test("says how far it is, and does not count as edited", () => {
    expect(written('{"carillon":{"answer":"writing"}}')).toMatchObject({ bot: "writing", edited: false });
    expect(written('{"carillon":{"answer":"broken"}}').bot).toBe("broken");
    expect(written().bot).toBeUndefined();
    expect(written('{"carillon":').bot).toBeUndefined();
    expect(written('{"carillon":{"answer":"<b>"}}').bot).toBeUndefined();
  });
});
