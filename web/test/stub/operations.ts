import { appInstanceArn, channelShape, epochSeconds, isoTime, messageShape, type StubChannel, type World } from "./world";

// The REST operations the page calls, answered from the stub's world.

export interface Call {
  operation: string;
  world: World;
  bearer: string;
  path: string[];
  query: URLSearchParams;
  body: Record<string, string>;
  /** Sends an event to the sockets of these users. */
  emit: (users: Iterable<string>, type: string, payload: object, messageType?: string) => void;
  pageSize: number;
}

export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
  ) {
    super(message);
  }
}

/** Method, path with `*` for labels, and the query that selects, for each operation. */
const routes: [operation: string, method: string, path: string, query?: string][] = [
  ["GetMessagingSessionEndpoint", "GET", "endpoints/messaging-session"],
  ["ListChannelMembershipsForAppInstanceUser", "GET", "channels", "scope=app-instance-user-memberships"],
  ["ListChannels", "GET", "channels"],
  ["CreateChannel", "POST", "channels"],
  ["DescribeChannel", "GET", "channels/*"],
  ["ListChannelMessages", "GET", "channels/*/messages"],
  ["SendChannelMessage", "POST", "channels/*/messages"],
  ["RedactChannelMessage", "POST", "channels/*/messages/*", "operation=redact"],
  ["UpdateChannelMessage", "PUT", "channels/*/messages/*"],
  ["ListChannelMemberships", "GET", "channels/*/memberships"],
  ["CreateChannelMembership", "POST", "channels/*/memberships"],
  ["DeleteChannelMembership", "DELETE", "channels/*/memberships/*"],
  ["UpdateChannelReadMarker", "PUT", "channels/*/readMarker"],
  ["ListAppInstanceUsers", "GET", "app-instance-users"],
];

export function operationOf(method: string, path: string[], query: URLSearchParams): string {
  for (const [operation, wanted, pattern, selector] of routes) {
    const parts = pattern.split("/");
    const fits = parts.length === path.length && parts.every((part, i) => part === "*" || part === path[i]);
    const [key = "", value = ""] = selector?.split("=") ?? [];
    if (wanted === method && fits && (selector === undefined || query.get(key) === value)) return operation;
  }
  throw new Refusal(404, "UnknownOperationException", `${method} /${path.join("/")}`);
}

export function answer(call: Call): [status: number, body?: object] {
  const { world, bearer, body } = call;
  switch (call.operation) {
    case "ListChannelMembershipsForAppInstanceUser":
      return page(call, ofMember(call), "ChannelMemberships", (c) => ({
        ChannelSummary: channelShape(c, epochSeconds),
        AppInstanceUserMembershipSummary: {
          Type: "DEFAULT",
          ...(c.readAt.has(bearer) && { ReadMarkerTimestamp: epochSeconds(c.readAt.get(bearer)!) }),
        },
      }));
    case "ListChannels": {
      const open = [...world.channels.values()].filter((c) => c.privacy === "PUBLIC");
      return page(call, open, "Channels", (c) => channelShape(c, epochSeconds));
    }
    case "CreateChannel": {
      const settings = { privacy: body.Privacy!, mode: body.Mode! };
      const channel = world.addChannel(world.newId(), body.Name!, [bearer], settings);
      call.emit([bearer], "CREATE_CHANNEL_MEMBERSHIP", membership(call, channel, bearer));
      return [201, { ChannelArn: channel.arn }];
    }
    case "DescribeChannel":
      return [200, { Channel: channelShape(channelOf(call), epochSeconds) }];
    case "ListChannelMessages": {
      const newestFirst = [...channelOf(call).messages].reverse();
      return page(call, newestFirst, "ChannelMessages", (m) => messageShape(world, m, epochSeconds));
    }
    case "SendChannelMessage":
      return send(call);
    case "UpdateChannelMessage":
    case "RedactChannelMessage":
      return change(call);
    case "ListChannelMemberships":
      return page(call, [...channelOf(call).members], "ChannelMemberships", (arn) => ({ Member: world.identity(arn) }));
    case "CreateChannelMembership": {
      const channel = channelOf(call);
      const member = body.MemberArn!;
      channel.members.add(member);
      call.emit(channel.members, "CREATE_CHANNEL_MEMBERSHIP", membership(call, channel, member));
      return [201, { ChannelArn: channel.arn, Member: world.identity(member) }];
    }
    case "DeleteChannelMembership": {
      const channel = channelOf(call);
      const member = call.path[3]!;
      call.emit(channel.members, "DELETE_CHANNEL_MEMBERSHIP", membership(call, channel, member));
      channel.members.delete(member);
      return [204];
    }
    case "UpdateChannelReadMarker": {
      const channel = channelOf(call);
      channel.readAt.set(bearer, world.tick());
      return [200, { ChannelArn: channel.arn }];
    }
    case "ListAppInstanceUsers":
      return page(call, [...world.users], "AppInstanceUsers", ([arn, Name]) => ({ AppInstanceUserArn: arn, Name }));
    default:
      throw new Refusal(503, "ServiceUnavailableException", `${call.operation} is not built`);
  }
}

function send(call: Call): [number, object] {
  const { world, bearer, body } = call;
  const channel = channelOf(call);
  const head = { ChannelArn: channel.arn, Persistence: body.Persistence };
  if (body.Persistence === "NON_PERSISTENT") {
    const time = world.tick();
    const loose = { id: world.newId(), content: body.Content!, sender: bearer, createdAt: time, updatedAt: time, redacted: false, token: "" };
    const payload = { ...messageShape(world, loose, isoTime), ...head, Type: body.Type };
    call.emit(channel.members, "CREATE_CHANNEL_MESSAGE", payload, body.Type);
    return [201, { ChannelArn: channel.arn, MessageId: loose.id, Status: { Value: "SENT" } }];
  }
  const known = channel.messages.find((m) => m.token === body.ClientRequestToken);
  const message = known ?? world.addMessage(channel, bearer, body.Content!, body.ClientRequestToken!);
  if (known === undefined) {
    call.emit(channel.members, "CREATE_CHANNEL_MESSAGE", { ...messageShape(world, message, isoTime), ...head }, "STANDARD");
  }
  return [201, { ChannelArn: channel.arn, MessageId: message.id, Status: { Value: "SENT" } }];
}

function change(call: Call): [number, object] {
  const { world, body } = call;
  const channel = channelOf(call);
  const message = channel.messages.find((m) => m.id === call.path[3]);
  if (message?.sender !== call.bearer) throw new Refusal(403, "ForbiddenException", "not your message");
  message.updatedAt = world.tick();
  const redact = call.operation === "RedactChannelMessage";
  if (redact) message.redacted = true;
  else Object.assign(message, { content: body.Content, editedAt: message.updatedAt });
  const payload = { ...messageShape(world, message, isoTime), ChannelArn: channel.arn, Persistence: "PERSISTENT" };
  call.emit(channel.members, redact ? "REDACT_CHANNEL_MESSAGE" : "UPDATE_CHANNEL_MESSAGE", payload, "STANDARD");
  return [200, { ChannelArn: channel.arn, MessageId: message.id }];
}

function channelOf(call: Call): StubChannel {
  const channel = call.world.channels.get(call.path[1] ?? "");
  if (channel === undefined) throw new Refusal(403, "ForbiddenException", "no such channel");
  return channel;
}

function ofMember(call: Call): StubChannel[] {
  return [...call.world.channels.values()].filter((c) => c.members.has(call.bearer));
}

function membership(call: Call, channel: StubChannel, member: string): object {
  const { world, bearer } = call;
  return { ChannelArn: channel.arn, Member: world.identity(member), InvitedBy: world.identity(bearer), Type: "DEFAULT" };
}

function page<T>(call: Call, all: T[], key: string, shape: (item: T) => object): [number, object] {
  const from = Number(call.query.get("next-token") ?? 0);
  const to = from + call.pageSize;
  const NextToken = to < all.length ? String(to) : undefined;
  return [200, { AppInstanceArn: appInstanceArn, [key]: all.slice(from, to).map(shape), NextToken }];
}
