// Messaging sessions of the SDK as published, and all that they tell; the same in a page and in Node.
import { ChimeSDKMessagingClient } from "@aws-sdk/client-chime-sdk-messaging";
import { ConsoleLogger, DefaultMessagingSession, LogLevel, MessagingSessionConfiguration } from "amazon-chime-sdk-js";

/** What each session told so far, by its name. */
export const seen = {};
const sessions = {};

// The SDK keeps to itself why a connection ended when it tries again.
globalThis.WebSocket = class extends globalThis.WebSocket {
  constructor(...all) {
    super(...all);
    this.addEventListener("close", ({ code, reason }) => of(this.url)?.closes.push({ code, reason }));
  }
};

/** What the session with this URL told. */
function of(url) {
  const id = /[?&]sessionId=([^&]*)/.exec(url)?.[1];
  return Object.values(seen).findLast((one) => one.id === id);
}

/**
 * Starts a session; the way to follow it is `seen[name]`. `settings` are the client's, `more` what
 * the configuration has besides: endpointUrl, sessionId, prefetchOn, prefetchSortBy. `renew`
 * makes credentials, for settings that have none.
 */
export function open(name, userArn, settings, more = {}, renew) {
  const client = new ChimeSDKMessagingClient({ credentials: renew, ...settings });
  const { endpointUrl, sessionId = null, ...rest } = more;
  const configuration = Object.assign(new MessagingSessionConfiguration(userArn, sessionId, endpointUrl, client), rest);
  const session = new DefaultMessagingSession(configuration, new ConsoleLogger("sdk", LogLevel.OFF));
  const it = { id: configuration.messagingSessionId, connecting: 0, reconnects: 0, started: 0, closes: [], stopped: [], refused: [], events: [] };
  seen[name] = it;
  sessions[name] = session;
  session.addObserver({
    messagingSessionDidStartConnecting: (reconnecting) => (it.connecting++, reconnecting && it.reconnects++),
    messagingSessionDidStart: () => it.started++,
    messagingSessionDidStop: (event) => it.stopped.push(event.code),
    messagingSessionDidReceiveMessage: ({ type, headers, payload }) => it.events.push({ type, headers, payload: JSON.parse(payload) }),
  });
  session.start().catch((reason) => refused(reason));
}

export function stop(name) {
  sessions[name].stop();
}

/** What came since the last call. */
export function take(name) {
  return seen[name].events.splice(0);
}

/**
 * Notes that a session's start was refused, and tells whether the reason is such a one. The
 * SDK leaves the refusals of its own new starts to whoever handles unhandled rejections.
 */
export function refused(reason) {
  const it = of(reason?.target?.url);
  it?.refused.push(reason.code);
  return it !== undefined;
}
