import { botState, isBotError, spoken } from "./bots";
import type { Channel, Message, MessageStatus, Person } from "./types";

// REST answers carry Dates (the SDK made them from epoch seconds), socket
// payloads carry ISO strings; the member names are the same in both.

type Time = Date | string | undefined;

interface RawIdentity {
  Arn?: string | undefined;
  Name?: string | undefined;
}

export interface RawMessage {
  ChannelArn?: string | undefined;
  MessageId?: string | undefined;
  Content?: string | undefined;
  ContentType?: string | undefined;
  Metadata?: string | undefined;
  Sender?: RawIdentity | undefined;
  Type?: string | undefined;
  Persistence?: string | undefined;
  Redacted?: boolean | undefined;
  CreatedTimestamp?: Time;
  LastUpdatedTimestamp?: Time;
  LastEditedTimestamp?: Time;
  Status?: { Value?: string | undefined } | undefined;
}

export interface RawChannel {
  ChannelArn?: string | undefined;
  Name?: string | undefined;
  Mode?: string | undefined;
  Privacy?: string | undefined;
  LastMessageTimestamp?: Time;
}

export function millis(time: Time): number | undefined {
  if (time === undefined) return undefined;
  const ms = time instanceof Date ? time.getTime() : Date.parse(time);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The part of an ARN after its last slash. */
export function idOf(arn: string): string {
  return arn.slice(arn.lastIndexOf("/") + 1);
}

export function toPerson(raw: RawIdentity | undefined): Person {
  const arn = raw?.Arn ?? "";
  return { arn, name: raw?.Name || idOf(arn) };
}

/**
 * One message from a list or from an event. The channel is passed in for
 * lists, whose summaries leave it out, together with Persistence: whatever is
 * listed was stored.
 */
export function toMessage(raw: RawMessage, channelArn = raw.ChannelArn ?? ""): Message {
  const createdAt = millis(raw.CreatedTimestamp) ?? 0;
  const sender = toPerson(raw.Sender);
  return {
    id: raw.MessageId ?? "",
    channelArn,
    content: spoken(raw.Content ?? "", raw.ContentType),
    sender,
    createdAt,
    updatedAt: millis(raw.LastUpdatedTimestamp) ?? createdAt,
    edited: raw.LastEditedTimestamp !== undefined && !sender.arn.includes("/bot/"), // a bot writes by edits
    redacted: raw.Redacted === true,
    persistent: raw.Persistence !== "NON_PERSISTENT",
    control: raw.Type === "CONTROL" && !isBotError(raw.ContentType),
    status: (raw.Status?.Value as MessageStatus | undefined) ?? "SENT",
    bot: botState(raw.Metadata),
  };
}

export function toChannel(raw: RawChannel): Channel {
  return {
    arn: raw.ChannelArn ?? "",
    name: raw.Name ?? idOf(raw.ChannelArn ?? ""),
    isPublic: raw.Privacy === "PUBLIC",
    isRestricted: raw.Mode !== "UNRESTRICTED",
    lastMessageAt: millis(raw.LastMessageTimestamp),
  };
}
