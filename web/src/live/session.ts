import NoOpLogger from "amazon-chime-sdk-js/build/logger/NoOpLogger";
import type SdkMessage from "amazon-chime-sdk-js/build/message/Message";
import DefaultMessagingSession from "amazon-chime-sdk-js/build/messagingsession/DefaultMessagingSession";
import MessagingSessionConfiguration from "amazon-chime-sdk-js/build/messagingsession/MessagingSessionConfiguration";
import { messagingClient, type ClientSettings } from "../api/chat";
import { PlainWebSocketAdapter } from "./adapter";
import { readEvent, type LiveEvent } from "./events";

export type ConnectionState = "connecting" | "live" | "reconnecting" | "stopped";

export interface LiveHandlers {
  onState(state: ConnectionState, reason?: string): void;
  onEvent(event: LiveEvent): void;
}

export interface Live {
  start(): void;
  /** Ends the session; no handler is called afterwards. */
  stop(): void;
}

/** How long the SDK tries to come back before it gives up. */
const reconnectMs = 60_000;
/** An attempt that shows no outcome for so long is given up from outside. */
const silenceMs = 90_000;

/**
 * One run of the SDK's messaging session, from start to its end.
 *
 * The SDK tells observers when it is established and, mostly, when it gives
 * up. Three things it keeps to itself are observed from outside: that it began
 * to reconnect (it asks for the endpoint again, seen by a middleware of the
 * client it was given), that the server refused a reconnect for good (it
 * rejects a promise nobody holds, with the CloseEvent), and that an attempt
 * hangs (a timer).
 */
export class LiveSession implements Live {
  private readonly session: DefaultMessagingSession;
  private timer: number | undefined;
  private attempts = 0;
  private wasLive = false;
  private ended = false;

  constructor(
    settings: ClientSettings,
    userArn: string,
    private readonly handlers: LiveHandlers,
    overHttps = location.protocol === "https:",
  ) {
    const client = messagingClient(settings);
    client.middlewareStack.add(
      (next) => (args) => {
        this.attemptBegins();
        return next(args);
      },
      { step: "initialize", name: "noticeConnectionAttempts" },
    );
    const configuration = new MessagingSessionConfiguration(userArn, null, undefined, client);
    configuration.reconnectTimeoutMs = reconnectMs;
    // The SDK's log lines hold signed addresses, so they go nowhere.
    const logger = new NoOpLogger();
    this.session = overHttps
      ? new DefaultMessagingSession(configuration, logger)
      : new DefaultMessagingSession(configuration, logger, new PlainWebSocketAdapter(logger));
  }

  start(): void {
    window.addEventListener("unhandledrejection", this.onOrphanedRejection);
    this.session.addObserver(this);
    this.handlers.onState("connecting");
    this.session.start().catch((reason: unknown) => this.end(describeEnd(reason)));
  }

  stop(): void {
    this.ended = true;
    window.clearTimeout(this.timer);
    this.session.stop();
  }

  messagingSessionDidStartConnecting(): void {
    // stop() finds nothing to close while the SDK waits between two attempts.
    if (this.ended) this.session.stop();
  }

  messagingSessionDidStart(): void {
    if (this.ended) return this.session.stop();
    window.clearTimeout(this.timer);
    this.wasLive = true;
    this.handlers.onState("live");
  }

  messagingSessionDidStop(event: CloseEvent): void {
    this.end(describeEnd(event));
  }

  messagingSessionDidReceiveMessage(message: SdkMessage): void {
    if (this.ended) return;
    const event = readEvent(message.type, message.payload as string | null);
    if (event !== undefined) this.handlers.onEvent(event);
  }

  private attemptBegins(): void {
    if (this.ended) return;
    this.attempts++;
    if (this.attempts > 1) this.handlers.onState(this.wasLive ? "reconnecting" : "connecting");
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.end("The server does not answer."), silenceMs);
  }

  private onOrphanedRejection = (event: PromiseRejectionEvent): void => {
    if (!(event.reason instanceof CloseEvent)) return;
    event.preventDefault();
    this.end(describeEnd(event.reason));
  };

  private end(reason: string): void {
    window.removeEventListener("unhandledrejection", this.onOrphanedRejection);
    if (this.ended) return;
    this.stop();
    this.handlers.onState("stopped", reason);
  }
}

/** Why the socket closed for good, by its close code (spec, section 4.9). */
export function describeEnd(reason: unknown): string {
  if (!(reason instanceof CloseEvent)) {
    return reason instanceof Error ? reason.message : "The connection ended.";
  }
  const said = reason.reason ? `${reason.code}: ${reason.reason}` : `${reason.code}`;
  switch (reason.code) {
    case 4401:
      return `The server did not accept the sign-in (${said}).`;
    case 4003:
      return `The server closed this session (${said}).`;
    case 1006:
    case 4999:
      return "The server cannot be reached.";
    default:
      return `The connection ended (${said}).`;
  }
}
