// A page that has nothing but the published SDKs, for tests to drive.
import * as identity from "@aws-sdk/client-chime-sdk-identity";
import * as messaging from "@aws-sdk/client-chime-sdk-messaging";
import { ConsoleLogger, DefaultMessagingSession, LogLevel, MessagingSessionConfiguration } from "amazon-chime-sdk-js";
import { runFile } from "../lib/cases.mjs";

/** Starts a session as the SDK is, and keeps what it tells in `window.seen`. */
async function session(userArn, settings, endpointUrl) {
  const client = new messaging.ChimeSDKMessagingClient(settings);
  const configuration = new MessagingSessionConfiguration(userArn, null, endpointUrl, client);
  const session = new DefaultMessagingSession(configuration, new ConsoleLogger("sdk", LogLevel.OFF));
  const seen = { connecting: 0, started: 0, reconnects: 0, stopped: [], refused: [], types: [], contents: [] };
  window.seen = seen;
  window.addEventListener("unhandledrejection", (event) => {
    if (!(event.reason instanceof CloseEvent)) return;
    event.preventDefault();
    seen.refused.push(event.reason.code);
  });
  session.addObserver({
    messagingSessionDidStartConnecting: (reconnecting) => (seen.connecting++, reconnecting && seen.reconnects++),
    messagingSessionDidStart: () => seen.started++,
    messagingSessionDidStop: (event) => seen.stopped.push(event.code),
    messagingSessionDidReceiveMessage: ({ type, payload }) => {
      seen.types.push(type);
      if (type === "CREATE_CHANNEL_MESSAGE") seen.contents.push(JSON.parse(payload).Content);
    },
  });
  await session.start().catch((reason) => seen.refused.push(reason.code));
}

/** One call; an error is told by its class, name and status. */
async function call(settings, command, input) {
  try {
    const answer = await new messaging.ChimeSDKMessagingClient(settings).send(new messaging[command](input));
    return { answer };
  } catch (error) {
    const typed = Object.keys(messaging).find((name) => name === error.name && error instanceof messaging[name]);
    return { error: { typed, name: error.name, message: error.message, status: error.$metadata?.httpStatusCode, requestId: error.$metadata?.requestId } };
  }
}

/** A file of conformance/cases; `settings` are those of the clients, by server. */
function cases(file, words, settings) {
  const clients = {};
  for (const [name, { host, ...server }] of Object.entries(settings)) {
    clients[name] = {
      host,
      identity: { sdk: identity, client: new identity.ChimeSDKIdentityClient(server) },
      messaging: { sdk: messaging, client: new messaging.ChimeSDKMessagingClient(server) },
    };
  }
  return runFile(file, words, clients);
}

window.sdk = { session, call, cases };
