// Channels of an audience, and what their events have to say.

/** The members of a usual room; cy is hidden, mo moderates it. */
export const usual = ["ann", "bob", "cy", "dan"];

/** The processors of a flow that ends so when they cannot be invoked. */
export const processors = (FallbackAction) => [{
  Name: "p", ExecutionOrder: 1, FallbackAction,
  Configuration: { Lambda: { ResourceArn: "arn:aws:lambda:us-east-1:000000000000:function:p", InvocationType: "ASYNC" } },
}];

export class Rooms {
  constructor(server, audience) {
    this.server = server;
    this.audience = audience;
    this.client = server.messaging();
  }

  arn(id) {
    return this.server.userArn(id);
  }

  async make(Name, more) {
    const channel = { AppInstanceArn: this.server.appArn, ChimeBearer: this.arn("ann"), Name, Privacy: "PRIVATE", ...more };
    const { ChannelArn } = await this.client.createChannel(channel);
    return new Room(this, ChannelArn);
  }

  /** A channel of ann, bob, dan and the hidden cy, whose making is heard by nobody any more. */
  async usual(name) {
    const room = await this.make(name, { MemberArns: [this.arn("bob"), this.arn("dan")], ModeratorArns: [this.arn("mo")] });
    await this.client.createChannelMembership(room.as("ann", { MemberArn: this.arn("cy"), Type: "HIDDEN" }));
    await this.audience.heard();
    return room;
  }
}

/** A channel as its maker, and the payloads of what happens in it. */
class Room {
  #rooms;

  constructor(rooms, ChannelArn) {
    this.#rooms = rooms;
    this.arn = ChannelArn;
  }

  as(id, more) {
    return { ChannelArn: this.arn, ChimeBearer: this.#rooms.arn(id), ...more };
  }

  send(id, Content, more) {
    return this.#rooms.client.sendChannelMessage(this.as(id, { Content, Type: "STANDARD", Persistence: "PERSISTENT", ...more }));
  }

  membership(member, by, more) {
    const who = (id) => this.#rooms.audience.identity(id);
    const times = { CreatedTimestamp: "T0", LastUpdatedTimestamp: "T0" };
    return { ChannelArn: this.arn, Member: who(member), InvitedBy: who(by), Type: "DEFAULT", ...times, ...more };
  }

  message({ MessageId }, sender, more) {
    return {
      ChannelArn: this.arn, MessageId, Type: "STANDARD", Persistence: "PERSISTENT", Sender: this.#rooms.audience.identity(sender),
      Redacted: false, Status: { Value: "SENT" }, CreatedTimestamp: "T0", LastUpdatedTimestamp: "T0", ...more,
    };
  }
}
