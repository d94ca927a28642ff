// The data behind the stub server: just enough of the service for the page's
// own tests. What the service really does is tested against the real server.

export const appInstanceArn = "arn:aws:chime:us-east-1:000000000000:app-instance/dev";

export interface StubChannel {
  arn: string;
  name: string;
  privacy: string;
  mode: string;
  members: Set<string>;
  messages: StubMessage[];
  readAt: Map<string, number>;
}

export interface StubMessage {
  id: string;
  content: string;
  sender: string;
  createdAt: number;
  updatedAt: number;
  editedAt?: number;
  redacted: boolean;
  token: string;
}

export class World {
  readonly users = new Map<string, string>();
  readonly channels = new Map<string, StubChannel>();
  private counter = 0;
  private lastTime = 0;

  userArn(id: string): string {
    return `${appInstanceArn}/user/${id}`;
  }

  addUser(id: string, name: string): void {
    this.users.set(this.userArn(id), name);
  }

  addChannel(id: string, name: string, members: string[], settings = { privacy: "PUBLIC", mode: "RESTRICTED" }): StubChannel {
    const channel: StubChannel = {
      arn: `${appInstanceArn}/channel/${id}`,
      name,
      ...settings,
      members: new Set(members),
      messages: [],
      readAt: new Map(),
    };
    this.channels.set(channel.arn, channel);
    return channel;
  }

  addMessage(channel: StubChannel, sender: string, content: string, token = this.newId()): StubMessage {
    const createdAt = this.tick();
    const message = { id: this.newId(), content, sender, createdAt, updatedAt: createdAt, redacted: false, token };
    channel.messages.push(message);
    return message;
  }

  /** Later than any time given before, and close to the clock's. */
  tick(): number {
    this.lastTime = Math.max(Date.now(), this.lastTime + 1);
    return this.lastTime;
  }

  newId(): string {
    this.counter++;
    return `id-${this.counter}`;
  }

  identity(arn: string): { Arn: string; Name: string } {
    return { Arn: arn, Name: this.users.get(arn) ?? "?" };
  }
}

/** Members that answers and events have in common; `time` writes a timestamp the way each of them does. */
export function channelShape(channel: StubChannel, time: (ms: number) => unknown): object {
  const last = channel.messages.at(-1);
  return {
    ChannelArn: channel.arn,
    Name: channel.name,
    Mode: channel.mode,
    Privacy: channel.privacy,
    ...(last && { LastMessageTimestamp: time(last.createdAt) }),
  };
}

export function messageShape(world: World, message: StubMessage, time: (ms: number) => unknown): object {
  return {
    MessageId: message.id,
    ...(!message.redacted && { Content: message.content }),
    Type: "STANDARD",
    Sender: world.identity(message.sender),
    Redacted: message.redacted,
    Status: { Value: "SENT" },
    CreatedTimestamp: time(message.createdAt),
    LastUpdatedTimestamp: time(message.updatedAt),
    ...(message.editedAt && { LastEditedTimestamp: time(message.editedAt) }),
  };
}

export const epochSeconds = (ms: number): number => ms / 1000;
export const isoTime = (ms: number): string => new Date(ms).toISOString();
