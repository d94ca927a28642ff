// What the page knows, in its own words. Times are milliseconds since 1970,
// ARNs are kept whole because they are the keys of everything.

import type { WebPush } from "../live/notifications";

export interface Person {
  arn: string;
  name: string;
}

export interface Channel {
  arn: string;
  name: string;
  isPublic: boolean;
  isRestricted: boolean;
  /** Creation of the newest persistent message, if there is one. */
  lastMessageAt?: number | undefined;
  /** The person's read marker; absent until first set. */
  readAt?: number | undefined;
}

/** Of an answer that a bot writes piece by piece: more comes, or no more will. */
export type BotState = "writing" | "broken";

export type MessageStatus = "SENT" | "PENDING" | "FAILED" | "DENIED";

export interface Message {
  id: string;
  channelArn: string;
  content: string;
  sender: Person;
  createdAt: number;
  updatedAt: number;
  edited: boolean;
  redacted: boolean;
  /** False for messages that are delivered live and never stored. */
  persistent: boolean;
  /** Control messages (typing) travel like messages and are never listed. */
  control: boolean;
  status: MessageStatus;
  /** Absent for messages of people and for answers that are complete. */
  bot?: BotState | undefined;
}

export interface Page<T> {
  items: T[];
  /** Token of the next page; absent on the last. */
  next?: string | undefined;
}

/** What the page is told about the server it was loaded from. */
export interface ServerInfo {
  region: string;
  appInstanceArn: string;
  users: (Person & { id: string })[];
  /** How this browser gets push notifications, when the server sends any. */
  webPush: WebPush | undefined;
}
