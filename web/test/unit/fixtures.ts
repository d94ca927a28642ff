import type { Channel, Message, Person } from "../../src/model/types";

const app = "arn:aws:chime:us-east-1:000000000000:app-instance/dev";

export const alice: Person = { arn: `${app}/user/alice`, name: "Alice" };
export const bob: Person = { arn: `${app}/user/bob`, name: "Bob" };
export const general = `${app}/channel/general`;
export const random = `${app}/channel/random`;

export function channel(arn: string, changes: Partial<Channel> = {}): Channel {
  return { arn, name: arn.slice(arn.lastIndexOf("/") + 1), isPublic: true, isRestricted: true, ...changes };
}

export function message(id: string, createdAt: number, changes: Partial<Message> = {}): Message {
  return {
    id,
    channelArn: general,
    content: `text of ${id}`,
    sender: bob,
    createdAt,
    updatedAt: createdAt,
    edited: false,
    redacted: false,
    persistent: true,
    control: false,
    status: "SENT",
    ...changes,
  };
}
