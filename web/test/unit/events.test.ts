import { describe, expect, test } from "vitest";
import { toMessage } from "../../src/model/convert";
import { readEvent } from "../../src/live/events";
import { alice, bob, general } from "./fixtures";

const raw = {
  ChannelArn: general,
  MessageId: "m1",
  Content: "hello",
  Type: "STANDARD",
  Persistence: "PERSISTENT",
  Redacted: false,
  Sender: { Arn: bob.arn, Name: "Bob" },
  CreatedTimestamp: "2021-06-03T16:26:31.013Z",
  LastUpdatedTimestamp: "2021-06-03T16:26:31.013Z",
  Status: { Value: "SENT" },
};
const typing = { ...raw, Type: "CONTROL", Persistence: "NON_PERSISTENT", Content: '{"Typing":"Indicator"}' };
const membership = { ChannelArn: general, Member: { Arn: alice.arn, Name: "Alice" }, InvitedBy: { Arn: bob.arn } };

describe("events", () => {
  test.each([
    ["CREATE_CHANNEL_MESSAGE", raw, { kind: "message", message: { id: "m1", content: "hello", edited: false } }],
    ["UPDATE_CHANNEL_MESSAGE", { ...raw, LastEditedTimestamp: raw.CreatedTimestamp }, { kind: "message", message: { edited: true } }],
    ["REDACT_CHANNEL_MESSAGE", { ...raw, Content: undefined, Redacted: true }, { kind: "message", message: { redacted: true, content: "" } }],
    ["DENIED_CREATE_CHANNEL_MESSAGE", { ...raw, Status: { Value: "DENIED" } }, { kind: "message", message: { status: "DENIED" } }],
    ["DENIED_UPDATE_CHANNEL_MESSAGE", raw, { kind: "edit-refused" }],
    ["DELETE_CHANNEL_MESSAGE", raw, { kind: "message-deleted", channelArn: general, messageId: "m1" }],
    ["CREATE_CHANNEL_MESSAGE", typing, { kind: "typing", channelArn: general, who: bob }],
    ["UPDATE_CHANNEL", { ChannelArn: general, Name: "New", Privacy: "PUBLIC", Mode: "UNRESTRICTED" }, { kind: "channel-updated", channel: { name: "New", isPublic: true, isRestricted: false } }],
    ["DELETE_CHANNEL", { ChannelArn: general, Name: "Gone" }, { kind: "channel-deleted", channel: { arn: general } }],
    ["CREATE_CHANNEL_MEMBERSHIP", membership, { kind: "members-added", channelArn: general, members: [alice] }],
    ["BATCH_CREATE_CHANNEL_MEMBERSHIP", { ChannelArn: general, Members: [membership.Member, { Arn: bob.arn, Name: "Bob" }] }, { kind: "members-added", members: [alice, bob] }],
    ["DELETE_CHANNEL_MEMBERSHIP", membership, { kind: "member-removed", channelArn: general, member: alice }],
  ])("%s means what the person sees", (type, payload, meaning) => {
    expect(readEvent(type, JSON.stringify(payload))).toMatchObject(meaning);
  });

  test.each([
    ["SESSION_ESTABLISHED", null],
    ["SESSION_ESTABLISHED", ""],
    ["SESSION_ESTABLISHED", "{}"],
    ["A_LATER_EVENT", '{"a":1}'],
    ["PENDING_UPDATE_CHANNEL_MESSAGE", JSON.stringify(raw)],
  ])("%s with payload %j changes nothing", (type, payload) => {
    expect(readEvent(type, payload)).toBeUndefined();
  });

  test("and lists give the same message for the same moment", () => {
    const { ChannelArn: _channel, Persistence: _persistence, ...summary } = raw;
    const moment = new Date(raw.CreatedTimestamp);
    const listed = toMessage({ ...summary, CreatedTimestamp: moment, LastUpdatedTimestamp: moment }, general);
    expect(readEvent("CREATE_CHANNEL_MESSAGE", JSON.stringify(raw))).toEqual({ kind: "message", message: listed });
  });
});
