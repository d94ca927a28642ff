// A page that has nothing but the published SDKs, for tests to drive.
import * as identity from "@aws-sdk/client-chime-sdk-identity";
import * as messaging from "@aws-sdk/client-chime-sdk-messaging";
import { runFile } from "../lib/cases.mjs";
import * as live from "../lib/live.mjs";

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

window.addEventListener("unhandledrejection", (event) => live.refused(event.reason) && event.preventDefault());

window.sdk = { ...live, call, cases };
