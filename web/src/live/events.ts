import { toChannel, toMessage, toPerson, type RawChannel, type RawMessage } from "../model/convert";
import type { Channel, Message, Person } from "../model/types";

// Frames of the messaging socket, turned into what they mean for the page.

export type LiveEvent =
  | { kind: "message"; message: Message }
  | { kind: "message-deleted"; channelArn: string; messageId: string }
  | { kind: "edit-refused"; message: Message }
  | { kind: "typing"; channelArn: string; who: Person }
  | { kind: "channel-updated"; channel: Channel }
  | { kind: "channel-deleted"; channel: Channel }
  | { kind: "members-added"; channelArn: string; members: Person[] }
  | { kind: "member-removed"; channelArn: string; member: Person };

interface RawMembership {
  ChannelArn?: string;
  Member?: { Arn?: string; Name?: string };
  Members?: { Arn?: string; Name?: string }[];
}

/** Gives undefined for events that change nothing on this page. */
export function readEvent(type: string, payload: string | null): LiveEvent | undefined {
  if (!payload) return undefined;
  const body: unknown = JSON.parse(payload);
  if (typeof body !== "object" || body === null) return undefined;

  switch (type) {
    case "CREATE_CHANNEL_MESSAGE":
      return created(toMessage(body as RawMessage));
    case "UPDATE_CHANNEL_MESSAGE":
    case "REDACT_CHANNEL_MESSAGE":
    case "PENDING_CREATE_CHANNEL_MESSAGE":
    case "FAILED_CREATE_CHANNEL_MESSAGE":
    case "DENIED_CREATE_CHANNEL_MESSAGE":
      return listed(toMessage(body as RawMessage));
    case "FAILED_UPDATE_CHANNEL_MESSAGE":
    case "DENIED_UPDATE_CHANNEL_MESSAGE":
      return { kind: "edit-refused", message: toMessage(body as RawMessage) };
    case "DELETE_CHANNEL_MESSAGE": {
      const message = toMessage(body as RawMessage);
      return { kind: "message-deleted", channelArn: message.channelArn, messageId: message.id };
    }
    case "UPDATE_CHANNEL":
      return { kind: "channel-updated", channel: toChannel(body as RawChannel) };
    case "DELETE_CHANNEL":
      return { kind: "channel-deleted", channel: toChannel(body as RawChannel) };
    case "CREATE_CHANNEL_MEMBERSHIP":
    case "BATCH_CREATE_CHANNEL_MEMBERSHIP": {
      const { ChannelArn = "", Member, Members = [] } = body as RawMembership;
      const members = (Member ? [Member, ...Members] : Members).map(toPerson);
      return { kind: "members-added", channelArn: ChannelArn, members };
    }
    case "DELETE_CHANNEL_MEMBERSHIP": {
      const { ChannelArn = "", Member } = body as RawMembership;
      return { kind: "member-removed", channelArn: ChannelArn, member: toPerson(Member) };
    }
    default:
      return undefined;
  }
}

function created(message: Message): LiveEvent | undefined {
  if (message.control && message.content.includes("Typing")) {
    return { kind: "typing", channelArn: message.channelArn, who: message.sender };
  }
  return listed(message);
}

function listed(message: Message): LiveEvent | undefined {
  return message.control ? undefined : { kind: "message", message };
}
