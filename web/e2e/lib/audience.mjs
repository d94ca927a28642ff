// Users who are all online, and who of them is told what of each call.
import assert from "node:assert/strict";

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export class Audience {
  #server;
  #tab;
  #users;
  #fence;

  constructor(server, tab, users) {
    this.#server = server;
    this.#tab = tab;
    this.#users = users;
  }

  /** Makes the users and a channel of them all, and brings them online. */
  async assemble() {
    const [first, ...others] = this.#users;
    for (const id of this.#users) {
      const user = { AppInstanceArn: this.#server.appArn, AppInstanceUserId: id, Name: name(id) };
      await this.#server.identity().createAppInstanceUser(user);
    }
    const { ChannelArn } = await this.#server.messaging().createChannel({
      AppInstanceArn: this.#server.appArn,
      Name: "fence",
      ChimeBearer: this.#server.userArn(first),
      MemberArns: others.map((id) => this.#server.userArn(id)),
    });
    this.#fence = { ChannelArn, ChimeBearer: this.#server.userArn(first), Type: "STANDARD", Persistence: "NON_PERSISTENT" };
    await this.#tab.live(...this.#users);
    await this.heard();
  }

  /**
   * What everybody was told since the last time, by user. A message to all is the last of it:
   * every socket has the events in the order in which they happened.
   */
  async heard() {
    const Content = crypto.randomUUID();
    await this.#server.messaging().sendChannelMessage({ ...this.#fence, Content });
    const all = {};
    for (const user of this.#users) {
      await this.#tab.untilEvent(user, "CREATE_CHANNEL_MESSAGE", { Content });
      const isFence = ({ type, payload }) => type === "CREATE_CHANNEL_MESSAGE" && payload.ChannelArn === this.#fence.ChannelArn;
      const events = (await this.#tab.take(user)).filter((e) => !isFence(e));
      if (events.length > 0) all[user] = events;
    }
    return all;
  }

  /**
   * Does something, and compares what everybody is told of it with what is wanted: a list of
   * events, each with the users that it is `to`, its type, its payload and, where they are not
   * SYSTEM and none, its message type and reason.
   */
  async tells(act, wanted) {
    const answer = await act();
    const want = {};
    for (const { to, type, as = "SYSTEM", reason, payload } of wanted(answer)) {
      const headers = { "x-amz-chime-event-type": type, "x-amz-chime-message-type": as };
      if (reason) headers["x-amz-chime-event-reason"] = reason;
      for (const user of to) (want[user] ??= []).push({ type, headers, payload });
    }
    const got = await this.heard();
    for (const events of Object.values(got)) for (const event of events) inOrder(event.payload);
    assert.deepEqual(got, want);
    return answer;
  }

  identity(id) {
    return { Arn: this.#server.userArn(id), Name: name(id) };
  }
}

const name = (id) => id[0].toUpperCase() + id.slice(1);

/** Checks the form of the times of a payload and replaces each by its place among them: T0, T1... */
function inOrder(payload) {
  const names = Object.keys(payload).filter((key) => key.endsWith("Timestamp"));
  for (const key of names) assert.match(payload[key], time, key);
  const places = [...new Set(names.map((key) => payload[key]))].sort();
  for (const key of names) payload[key] = `T${places.indexOf(payload[key])}`;
}
