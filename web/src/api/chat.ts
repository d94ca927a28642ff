import { ChimeSDKIdentityClient, ListAppInstanceUsersCommand, RegisterAppInstanceUserEndpointCommand } from "@aws-sdk/client-chime-sdk-identity";
import {
  ChimeSDKMessagingClient,
  CreateChannelCommand,
  CreateChannelMembershipCommand,
  DeleteChannelMembershipCommand,
  DescribeChannelCommand,
  ListChannelMembershipsCommand,
  ListChannelMembershipsForAppInstanceUserCommand,
  ListChannelMessagesCommand,
  ListChannelsCommand,
  RedactChannelMessageCommand,
  SendChannelMessageCommand,
  UpdateChannelMessageCommand,
  UpdateChannelReadMarkerCommand,
} from "@aws-sdk/client-chime-sdk-messaging";
import { millis, toChannel, toMessage, toPerson } from "../model/convert";
import type { Channel, Message, Page, Person } from "../model/types";
import type { Credentials } from "./dev";

/** What the typing indicator of the public chat demo sends; 22 of 30 bytes. */
export const typingContent = '{"Typing":"Indicator"}';

export interface NewChannel {
  name: string;
  isPublic: boolean;
  isRestricted: boolean;
}

/** The operations of the service that the page uses, always as one user. */
export interface ChatApi {
  /** The person's own channels, all pages. */
  myChannels(): Promise<Channel[]>;
  publicChannels(next?: string): Promise<Page<Channel>>;
  describeChannel(channelArn: string): Promise<Channel>;
  createChannel(channel: NewChannel): Promise<string>;
  /** Newest first. */
  messages(channelArn: string, next?: string): Promise<Page<Message>>;
  /** The same token with the same text never makes a second message. Mentions are ARNs of members. */
  send(channelArn: string, text: string, token: string, mentions: string[]): Promise<string>;
  sendTyping(channelArn: string): Promise<void>;
  edit(channelArn: string, messageId: string, text: string): Promise<void>;
  redact(channelArn: string, messageId: string): Promise<void>;
  members(channelArn: string, next?: string): Promise<Page<Person>>;
  addMember(channelArn: string, memberArn: string): Promise<void>;
  removeMember(channelArn: string, memberArn: string): Promise<void>;
  markRead(channelArn: string): Promise<void>;
  users(next?: string): Promise<Page<Person>>;
  /** Has this browser, which its subscription names, get the person's push notifications. */
  registerBrowser(resourceArn: string, subscription: string): Promise<void>;
}

export interface ClientSettings {
  endpoint: string;
  region: string;
  credentials: () => Promise<Credentials>;
}

export function messagingClient(settings: ClientSettings): ChimeSDKMessagingClient {
  return new ChimeSDKMessagingClient({ ...settings, requestHandler: { requestTimeout: 20_000 } });
}

/** The API as one person; with a title its messages have push notifications. */
export function createChatApi(settings: ClientSettings, appInstanceArn: string, userArn: string, title?: string): ChatApi {
  const messaging = messagingClient(settings);
  const identity = new ChimeSDKIdentityClient({ ...settings, requestHandler: { requestTimeout: 20_000 } });
  const ChimeBearer = userArn;

  return {
    async myChannels() {
      const channels: Channel[] = [];
      let NextToken: string | undefined;
      do {
        const reply = await messaging.send(
          new ListChannelMembershipsForAppInstanceUserCommand({ ChimeBearer, NextToken, MaxResults: 50 }),
        );
        for (const { ChannelSummary, AppInstanceUserMembershipSummary } of reply.ChannelMemberships ?? []) {
          if (ChannelSummary === undefined) continue;
          const readAt = millis(AppInstanceUserMembershipSummary?.ReadMarkerTimestamp);
          channels.push({ ...toChannel(ChannelSummary), readAt });
        }
        NextToken = reply.NextToken;
      } while (NextToken);
      return channels;
    },

    async publicChannels(NextToken) {
      const reply = await messaging.send(
        new ListChannelsCommand({ AppInstanceArn: appInstanceArn, Privacy: "PUBLIC", ChimeBearer, NextToken, MaxResults: 50 }),
      );
      return { items: (reply.Channels ?? []).map(toChannel), next: reply.NextToken || undefined };
    },

    async describeChannel(ChannelArn) {
      const reply = await messaging.send(new DescribeChannelCommand({ ChannelArn, ChimeBearer }));
      return toChannel(reply.Channel ?? { ChannelArn });
    },

    async createChannel({ name, isPublic, isRestricted }) {
      const reply = await messaging.send(
        new CreateChannelCommand({
          AppInstanceArn: appInstanceArn,
          ChimeBearer,
          Name: name,
          Privacy: isPublic ? "PUBLIC" : "PRIVATE",
          Mode: isRestricted ? "RESTRICTED" : "UNRESTRICTED",
          ClientRequestToken: newToken(),
        }),
      );
      return reply.ChannelArn ?? "";
    },

    async messages(ChannelArn, NextToken) {
      const reply = await messaging.send(
        new ListChannelMessagesCommand({ ChannelArn, ChimeBearer, NextToken, SortOrder: "DESCENDING", MaxResults: 50 }),
      );
      const items = (reply.ChannelMessages ?? []).map((m) => toMessage(m, ChannelArn));
      return { items, next: reply.NextToken || undefined };
    },

    async send(ChannelArn, Content, ClientRequestToken, mentions) {
      const reply = await messaging.send(
        new SendChannelMessageCommand({
          ChannelArn,
          ChimeBearer,
          Content,
          ClientRequestToken,
          Type: "STANDARD",
          Persistence: "PERSISTENT",
          ...(mentions.length > 0 && { MessageAttributes: { "CHIME.mentions": { StringValues: mentions } } }),
          ...(title && { PushNotification: { Title: cut(title, 50), Body: cut(Content, 150), Type: "DEFAULT" } }),
        }),
      );
      return reply.MessageId ?? "";
    },

    async sendTyping(ChannelArn) {
      await messaging.send(
        new SendChannelMessageCommand({
          ChannelArn,
          ChimeBearer,
          Content: typingContent,
          ClientRequestToken: newToken(),
          Type: "CONTROL",
          Persistence: "NON_PERSISTENT",
        }),
      );
    },

    async edit(ChannelArn, MessageId, Content) {
      await messaging.send(new UpdateChannelMessageCommand({ ChannelArn, MessageId, Content, ChimeBearer }));
    },

    async redact(ChannelArn, MessageId) {
      await messaging.send(new RedactChannelMessageCommand({ ChannelArn, MessageId, ChimeBearer }));
    },

    async members(ChannelArn, NextToken) {
      const reply = await messaging.send(
        new ListChannelMembershipsCommand({ ChannelArn, ChimeBearer, NextToken, MaxResults: 50 }),
      );
      const items = (reply.ChannelMemberships ?? []).map((m) => toPerson(m.Member));
      return { items, next: reply.NextToken || undefined };
    },

    async addMember(ChannelArn, MemberArn) {
      await messaging.send(
        new CreateChannelMembershipCommand({ ChannelArn, MemberArn, Type: "DEFAULT", ChimeBearer }),
      );
    },

    async removeMember(ChannelArn, MemberArn) {
      await messaging.send(new DeleteChannelMembershipCommand({ ChannelArn, MemberArn, ChimeBearer }));
    },

    async markRead(ChannelArn) {
      await messaging.send(new UpdateChannelReadMarkerCommand({ ChannelArn, ChimeBearer }));
    },

    async users(NextToken) {
      const reply = await identity.send(
        new ListAppInstanceUsersCommand({ AppInstanceArn: appInstanceArn, NextToken, MaxResults: 50 }),
      );
      const items = (reply.AppInstanceUsers ?? []).map((u) => toPerson({ Arn: u.AppInstanceUserArn, Name: u.Name }));
      return { items, next: reply.NextToken || undefined };
    },

    async registerBrowser(ResourceArn, DeviceToken) {
      await identity.send(
        new RegisterAppInstanceUserEndpointCommand({
          AppInstanceUserArn: userArn,
          Type: "GCM",
          ResourceArn,
          EndpointAttributes: { DeviceToken },
          AllowMessages: "ALL",
          ClientRequestToken: newToken(),
        }),
      );
    },
  };
}

/** The beginning of a text, by characters as the service counts them. */
function cut(text: string, most: number): string {
  return Array.from(text).slice(0, most).join("");
}

/** A request token; plain getRandomValues because randomUUID is missing on http pages of other hosts. */
export function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
