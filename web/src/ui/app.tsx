import { useEffect, useState } from "react";
import { createChatApi, type ClientSettings } from "../api/chat";
import { CredentialSource } from "../api/credentials";
import { exchangeCredentials, fetchServerInfo, NotDevModeError } from "../api/dev";
import { describeError } from "../api/errors";
import { Notifications } from "../live/notifications";
import { LiveSession } from "../live/session";
import type { ServerInfo } from "../model/types";
import { Chat } from "../state/chat";
import { initialState } from "../state/state";
import { Store } from "../state/store";
import { ChatScreen } from "./chat-screen";
import { forgetUser, rememberUser, wantedUser } from "./remembered";
import { UserPicker } from "./user-picker";
import { Welcome } from "./welcome";

type Phase =
  | { at: "loading"; what: string }
  | { at: "not-dev" }
  | { at: "broken"; error: string }
  | { at: "picking"; info: ServerInfo; error?: string }
  | { at: "chatting"; chat: Chat; notifications: Notifications | undefined };

export function App() {
  const [phase, setPhase] = useState<Phase>({ at: "loading", what: "Loading…" });

  const pick = async (info: ServerInfo, userId: string) => {
    setPhase({ at: "loading", what: `Signing in as ${userId}…` });
    try {
      const opened = await openChat(info, userId);
      rememberUser(userId);
      setPhase({ at: "chatting", ...opened });
    } catch (error) {
      forgetUser();
      setPhase({ at: "picking", info, error: `Signing in as ${userId} failed. ${describeError(error)}` });
    }
  };

  const load = async () => {
    setPhase({ at: "loading", what: "Loading…" });
    try {
      const info = await fetchServerInfo();
      const wanted = wantedUser();
      if (wanted !== undefined) await pick(info, wanted);
      else setPhase({ at: "picking", info });
    } catch (error) {
      setPhase(error instanceof NotDevModeError ? { at: "not-dev" } : { at: "broken", error: describeError(error) });
    }
  };

  useEffect(() => {
    void load();
  }, []);

  switch (phase.at) {
    case "loading":
      return (
        <Welcome title="Carillon chat">
          <p role="status">{phase.what}</p>
        </Welcome>
      );
    case "not-dev":
      return (
        <Welcome title="This page needs dev mode">
          <p>
            The chat page signs people in without a password, so the server offers it only when it was started with{" "}
            <code>carillon dev</code>. The APIs of this server work as configured; use your own application with them.
          </p>
        </Welcome>
      );
    case "broken":
      return (
        <Welcome title="The page could not start">
          <p role="alert" data-testid="error">
            {phase.error}
          </p>
          <button type="button" className="primary" onClick={() => void load()}>
            Try again
          </button>
        </Welcome>
      );
    case "picking":
      return <UserPicker users={phase.info.users} error={phase.error} onPick={(id) => void pick(phase.info, id)} />;
    case "chatting":
      return <ChatScreen chat={phase.chat} notifications={phase.notifications} />;
  }
}

async function openChat(info: ServerInfo, userId: string): Promise<{ chat: Chat; notifications: Notifications | undefined }> {
  const source = new CredentialSource(() => exchangeCredentials(userId));
  const { userArn, name } = await source.signIn();
  const settings: ClientSettings = {
    endpoint: location.origin,
    region: info.region,
    credentials: source.provider,
  };
  const { webPush } = info;
  const api = createChatApi(settings, info.appInstanceArn, userArn, webPush && (name || userId));
  const store = new Store(initialState({ arn: userArn, name: name || userId }));
  const notifications = Notifications.arePossible(webPush)
    ? new Notifications(webPush, (token) => api.registerBrowser(webPush.resourceArn, token))
    : undefined;
  return { chat: new Chat(store, api, (handlers) => new LiveSession(settings, userArn, handlers)), notifications };
}
