import { useEffect, useState, useSyncExternalStore } from "react";
import type { Notifications } from "../live/notifications";
import type { Chat } from "../state/chat";
import { channelList, isUnread } from "../state/state";
import { Avatar } from "./avatar";
import { ChannelList } from "./channel-list";
import { ChannelPane } from "./channel-pane";
import { ConnectionBadge, StoppedBanner } from "./connection";
import { CreateChannelDialog } from "./create-channel";
import { Problems } from "./notice";
import { NotifyButton } from "./notify-button";
import { switchUser } from "./remembered";
import { useRoute } from "./use-route";

/** Everything a signed-in person sees: list on one side, the open channel on the other. */
export function ChatScreen({ chat, notifications }: { chat: Chat; notifications: Notifications | undefined }) {
  const state = useSyncExternalStore(chat.store.subscribe, chat.store.get);
  const [creating, setCreating] = useState(false);
  useRoute(chat, state);

  useEffect(() => {
    chat.start();
    return () => chat.stop();
  }, [chat]);

  useEffect(() => {
    const seen = () => {
      const { selected } = chat.store.get();
      if (selected !== undefined) chat.noticeRead(selected);
    };
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, [chat]);

  const unread = channelList(state).filter(isUnread).length;
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${state.me.name} · Carillon chat`;
  }, [unread, state.me.name]);

  const selected = state.selected === undefined ? undefined : state.mine.channels[state.selected];
  return (
    <div className={`screen ${selected ? "in-channel" : "in-list"}`}>
      <header className="topbar">
        <Avatar person={state.me} />
        <span className="me" data-testid="me">
          {state.me.name}
        </span>
        <ConnectionBadge connection={state.connection} />
        {notifications && <NotifyButton chat={chat} notifications={notifications} />}
        <button type="button" className="quiet" data-testid="switch-user" onClick={switchUser}>
          Switch user
        </button>
      </header>

      {state.connection.state === "stopped" && (
        <StoppedBanner reason={state.connection.reason} onReconnect={() => chat.reconnect()} />
      )}
      <Problems problems={state.problems} onDismiss={(id) => chat.dismiss(id)} />

      <div className="columns">
        <ChannelList chat={chat} state={state} onCreate={() => setCreating(true)} />
        {selected ? (
          <ChannelPane key={selected.arn} chat={chat} state={state} channel={selected} />
        ) : (
          <main className="pane nothing-open">
            <p className="empty">Choose a channel to read and write.</p>
          </main>
        )}
      </div>

      {creating && <CreateChannelDialog chat={chat} onClose={() => setCreating(false)} />}
    </div>
  );
}
