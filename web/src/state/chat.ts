import { newToken, type ChatApi, type NewChannel } from "../api/chat";
import { describeError } from "../api/errors";
import type { LiveEvent } from "../live/events";
import type { ConnectionState, Live, LiveHandlers } from "../live/session";
import { idOf } from "../model/convert";
import { mentioned } from "../model/mentions";
import type { Message, Page, Person } from "../model/types";
import { roomOf, type Outgoing, type State } from "./state";
import { Store } from "./store";

/** A typing hint is sent at most this often and shown for this long. */
const typingEveryMs = 1500;
const typingShownMs = 3000;
/** Messages that come in a row move the read marker once. */
const readDelayMs = 600;

/**
 * Everything the person can do, and everything that arrives: calls go to the
 * API, results and events into the store. Methods that a dialog waits for
 * reject with the API's error; all others raise a problem in the store.
 */
export class Chat {
  private live: Live | undefined;
  private lastProblem = 0;
  private typingSentAt = -Infinity;
  private readonly sending = new Set<string>();
  private readonly historyRuns = new Map<string, number>();
  private readonly readTimers = new Map<string, ReturnType<typeof setTimeout>>();
  private readonly leaving = new Set<string>();

  constructor(
    readonly store: Store,
    private readonly api: ChatApi,
    private readonly connect: (handlers: LiveHandlers) => Live,
    private readonly isWatched: () => boolean = () => document.visibilityState === "visible",
  ) {}

  // --- connection

  start(): void {
    this.live = this.connect({ onState: this.onState, onEvent: this.onEvent });
    this.live.start();
  }

  reconnect(): void {
    this.live?.stop();
    this.start();
  }

  stop(): void {
    this.live?.stop();
    for (const timer of this.readTimers.values()) clearTimeout(timer);
  }

  /**
   * From the moment the session is established nothing is missed, so that is
   * when everything is fetched (again). Without a session the page still shows
   * what REST gives.
   */
  private onState = (state: ConnectionState, reason?: string): void => {
    this.store.dispatch({ type: "connection", state, reason });
    if (state === "live") void this.refresh();
    else if (state !== "connecting" && this.state.mine.loading === "no") void this.refresh();
  };

  private async refresh(): Promise<void> {
    this.store.dispatch({ type: "rooms-stale", except: this.state.selected });
    const { selected } = this.state;
    const room = selected === undefined ? [] : [this.refreshHistory(selected), this.refreshRoster(selected)];
    await Promise.all([this.loadMine(), this.loadOpen(), ...room]);
    if (selected !== undefined) this.noticeRead(selected);
  }

  // --- channels

  async loadMine(): Promise<void> {
    this.store.dispatch({ type: "mine-loading" });
    const channels = await this.attempt("Your channels could not be loaded.", () => this.api.myChannels());
    if (channels === undefined) return this.store.dispatch({ type: "mine-failed" });
    this.store.dispatch({ type: "mine-loaded", channels });
  }

  async loadOpen(next?: string): Promise<void> {
    this.store.dispatch({ type: "open-loading" });
    const page = await this.attempt("The public channels could not be loaded.", () => this.api.publicChannels(next));
    if (page === undefined) return this.store.dispatch({ type: "open-failed" });
    this.store.dispatch({ type: "open-loaded", page, append: next !== undefined });
  }

  /** Opens one of the person's channels, or none. */
  select(arn: string | undefined): void {
    if (arn === this.state.selected) return;
    if (arn !== undefined && this.state.mine.channels[arn] === undefined) return;
    this.store.dispatch({ type: "selected", arn });
    this.typingSentAt = -Infinity;
    if (arn === undefined) return;
    const room = roomOf(this.state, arn);
    if (room.history === "no" || room.history === "failed") void this.refreshHistory(arn);
    else this.noticeRead(arn);
    if (room.roster === "no" || room.roster === "failed") void this.refreshRoster(arn);
  }

  async createChannel(channel: NewChannel): Promise<void> {
    const arn = await this.api.createChannel(channel);
    this.store.dispatch({ type: "channel-known", channel: { ...channel, arn } });
    this.select(arn);
  }

  async join(arn: string): Promise<void> {
    const joined = await this.attempt("You could not join the channel.", async () => {
      await this.api.addMember(arn, this.state.me.arn);
      return this.api.describeChannel(arn);
    });
    if (joined === undefined) return;
    this.store.dispatch({ type: "channel-known", channel: joined });
    this.select(arn);
  }

  async leave(arn: string): Promise<void> {
    this.leaving.add(arn);
    try {
      await this.api.removeMember(arn, this.state.me.arn);
      this.store.dispatch({ type: "channel-gone", arn, deleted: false });
    } finally {
      this.leaving.delete(arn);
    }
  }

  // --- history

  /**
   * Fetches from the newest message back to the oldest that is shown, so that
   * new, edited, removed and deleted messages of the time without a socket all
   * appear. Of two runs for one channel the later one counts.
   */
  async refreshHistory(arn: string): Promise<void> {
    const run = (this.historyRuns.get(arn) ?? 0) + 1;
    this.historyRuns.set(arn, run);
    const { messages } = roomOf(this.state, arn);
    const before = new Set(messages.map((m) => m.id));
    const oldest = messages[0]?.createdAt;
    this.store.dispatch({ type: "history-loading", arn });

    const page = await this.attempt("The messages could not be loaded.", () => this.pagesDownTo(arn, oldest));
    if (this.historyRuns.get(arn) !== run) return;
    if (page === undefined) return this.store.dispatch({ type: "history-failed", arn });
    this.store.dispatch({ type: "history-refetched", arn, before, page });
    this.noticeRead(arn);
  }

  private async pagesDownTo(arn: string, oldest: number | undefined): Promise<Page<Message>> {
    const items: Message[] = [];
    let next: string | undefined;
    do {
      const page: Page<Message> = await this.api.messages(arn, next);
      items.push(...page.items);
      next = page.next;
    } while (next !== undefined && oldest !== undefined && (items.at(-1)?.createdAt ?? 0) >= oldest);
    return { items, next };
  }

  async loadOlder(arn: string): Promise<void> {
    const room = roomOf(this.state, arn);
    if (room.loadingOlder || room.older === undefined) return;
    this.store.dispatch({ type: "older-loading", arn });
    const page = await this.attempt("Older messages could not be loaded.", () => this.api.messages(arn, room.older));
    if (page === undefined) return this.store.dispatch({ type: "older-failed", arn });
    this.store.dispatch({ type: "older-loaded", arn, page });
  }

  /** The person sees the channel: moves the read marker. */
  noticeRead(arn: string): void {
    const channel = this.state.mine.channels[arn];
    if (arn !== this.state.selected || !this.isWatched()) return;
    if (channel?.lastMessageAt === undefined || channel.lastMessageAt <= (channel.readAt ?? 0)) return;
    this.markRead(arn, channel.lastMessageAt);
  }

  /** Moves the read marker, here at once and on the server soon. */
  private markRead(arn: string, at: number): void {
    this.store.dispatch({ type: "read", arn, at });
    clearTimeout(this.readTimers.get(arn));
    const mark = () => void this.attempt("The channel could not be marked as read.", () => this.api.markRead(arn));
    this.readTimers.set(arn, setTimeout(mark, readDelayMs));
  }

  // --- messages

  setDraft(arn: string, text: string): void {
    this.store.dispatch({ type: "draft", arn, text });
    if (text.trim() !== "") this.hintTyping(arn);
  }

  private hintTyping(arn: string): void {
    const now = Date.now();
    if (now - this.typingSentAt < typingEveryMs || this.state.connection.state !== "live") return;
    this.typingSentAt = now;
    // A lost hint is no loss to the person, so its error is not shown.
    this.api.sendTyping(arn).catch(() => undefined);
  }

  /** Takes the text over: it stays visible until its message is there, or fails and can be sent again. */
  send(arn: string, text: string): void {
    const mentions = mentioned(text, roomOf(this.state, arn).members).map((m) => m.arn);
    this.store.dispatch({ type: "outbox-added", arn, token: newToken(), text, mentions });
    this.store.dispatch({ type: "draft", arn, text: "" });
    this.typingSentAt = -Infinity;
    void this.drain(arn);
  }

  retry(arn: string, token: string): void {
    this.store.dispatch({ type: "outbox-changed", arn, token, to: { state: "waiting" } });
    void this.drain(arn);
  }

  /** Gives up sending; the text goes back to where it was typed. */
  takeBack(arn: string, token: string): void {
    const room = roomOf(this.state, arn);
    const entry = room.outbox.find((o) => o.token === token);
    if (entry === undefined) return;
    this.store.dispatch({ type: "outbox-removed", arn, token });
    const text = room.draft === "" ? entry.text : `${entry.text}\n${room.draft}`;
    this.store.dispatch({ type: "draft", arn, text });
    void this.drain(arn);
  }

  /** Sends what waits, one after the other so that the order stays, and stops at a failure. */
  private async drain(arn: string): Promise<void> {
    if (this.sending.has(arn)) return;
    this.sending.add(arn);
    try {
      for (;;) {
        const entry = roomOf(this.state, arn).outbox.find((o) => o.state === "waiting" || o.state === "failed");
        if (entry === undefined || entry.state === "failed") return;
        await this.deliver(arn, entry);
      }
    } finally {
      this.sending.delete(arn);
    }
  }

  private async deliver(arn: string, { token, text, mentions }: Outgoing): Promise<void> {
    this.store.dispatch({ type: "outbox-changed", arn, token, to: { state: "sending" } });
    try {
      const messageId = await this.api.send(arn, text, token, mentions);
      this.store.dispatch({ type: "outbox-changed", arn, token, to: { state: "accepted", messageId } });
      this.catchUp(arn);
    } catch (error) {
      const to = { state: "failed", error: describeError(error) } as const;
      this.store.dispatch({ type: "outbox-changed", arn, token, to });
    }
  }

  async edit(message: Message, text: string): Promise<void> {
    await this.api.edit(message.channelArn, message.id, text);
    this.catchUp(message.channelArn);
  }

  async redact(message: Message): Promise<void> {
    await this.api.redact(message.channelArn, message.id);
    this.catchUp(message.channelArn);
  }

  /** Without a socket no event shows the person what was just done. */
  private catchUp(arn: string): void {
    if (this.state.connection.state === "stopped") void this.refreshHistory(arn);
  }

  // --- members

  async refreshRoster(arn: string): Promise<void> {
    await this.loadRoster(arn, undefined);
  }

  async loadMoreMembers(arn: string): Promise<void> {
    await this.loadRoster(arn, roomOf(this.state, arn).moreMembers);
  }

  private async loadRoster(arn: string, next: string | undefined): Promise<void> {
    this.store.dispatch({ type: "roster-loading", arn });
    const page = await this.attempt("The members could not be loaded.", () => this.api.members(arn, next));
    if (page === undefined) return this.store.dispatch({ type: "roster-failed", arn });
    this.store.dispatch({ type: "roster-loaded", arn, page, append: next !== undefined });
  }

  async addMember(arn: string, person: Person): Promise<void> {
    await this.api.addMember(arn, person.arn);
    this.store.dispatch({ type: "members-added", arn, members: [person] });
  }

  async removeMember(arn: string, person: Person): Promise<void> {
    await this.api.removeMember(arn, person.arn);
    this.store.dispatch({ type: "member-removed", arn, memberArn: person.arn });
  }

  users(next?: string): Promise<Page<Person>> {
    return this.api.users(next);
  }

  // --- events

  private onEvent = (event: LiveEvent): void => {
    const { dispatch } = this.store;
    switch (event.kind) {
      case "message": {
        const ownNews = this.isOwnNews(event.message);
        dispatch({ type: "message", message: event.message });
        if (ownNews) this.markRead(event.message.channelArn, event.message.createdAt);
        else this.noticeRead(event.message.channelArn);
        return;
      }
      case "message-deleted":
        return dispatch({ type: "message-deleted", arn: event.channelArn, messageId: event.messageId });
      case "edit-refused":
        return this.raise(`An edit was refused: “${event.message.content}”`);
      case "typing":
        dispatch({ type: "typing", arn: event.channelArn, who: event.who, until: Date.now() + typingShownMs });
        setTimeout(() => dispatch({ type: "typing-ends", now: Date.now() }), typingShownMs + 50);
        return;
      case "channel-updated":
        return dispatch({ type: "channel-updated", channel: event.channel });
      case "channel-deleted":
        return this.channelGone(event.channel.arn, true);
      case "members-added":
        if (event.members.some((m) => m.arn === this.state.me.arn)) void this.meet(event.channelArn);
        return dispatch({ type: "members-added", arn: event.channelArn, members: event.members });
      case "member-removed":
        if (event.member.arn === this.state.me.arn) return this.channelGone(event.channelArn, false);
        return dispatch({ type: "member-removed", arn: event.channelArn, memberArn: event.member.arn });
    }
  };

  /**
   * The person's own message, of this client or another, is no news to them. The server counts it as
   * one until the marker is past it.
   */
  private isOwnNews(message: Message): boolean {
    const channel = this.state.mine.channels[message.channelArn];
    const counts = message.persistent && message.status === "SENT" && message.createdAt > (channel?.readAt ?? 0);
    return counts && channel !== undefined && message.sender.arn === this.state.me.arn;
  }

  /** The person became a member; the event says of which channel, not what it is called. */
  private async meet(arn: string): Promise<void> {
    if (this.state.mine.channels[arn] !== undefined) return;
    const channel = await this.attempt("A new channel could not be loaded.", () => this.api.describeChannel(arn));
    if (channel !== undefined) this.store.dispatch({ type: "channel-known", channel });
  }

  private channelGone(arn: string, deleted: boolean): void {
    const channel = this.state.mine.channels[arn];
    if (channel === undefined) return;
    this.store.dispatch({ type: "channel-gone", arn, deleted });
    if (this.leaving.has(arn)) return;
    const what = deleted ? "was deleted" : "has you no longer as a member";
    this.raise(`The channel “${channel.name || idOf(arn)}” ${what}.`);
  }

  // --- problems

  dismiss(id: number): void {
    this.store.dispatch({ type: "problem-dismissed", id });
  }

  private raise(text: string): void {
    this.lastProblem++;
    this.store.dispatch({ type: "problem", problem: { id: this.lastProblem, text } });
  }

  private async attempt<T>(failure: string, call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      this.raise(`${failure} ${describeError(error)}`);
      return undefined;
    }
  }

  private get state(): State {
    return this.store.get();
  }
}
