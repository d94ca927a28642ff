import type { Channel } from "../model/types";
import type { Chat } from "../state/chat";
import { channelList, isUnread, joinableChannels, type State } from "../state/state";
import { Icon } from "./icons";

interface Props {
  chat: Chat;
  state: State;
  onCreate: () => void;
}

export function ChannelList({ chat, state, onCreate }: Props) {
  return (
    <nav className="sidebar" aria-label="Channels">
      <section aria-labelledby="mine-title">
        <header>
          <h2 id="mine-title">Your channels</h2>
          <button type="button" className="quiet" aria-label="Create a channel" data-testid="create-channel" onClick={onCreate}>
            <Icon name="plus" />
          </button>
        </header>
        <Mine chat={chat} state={state} />
      </section>
      <section aria-labelledby="open-title">
        <header>
          <h2 id="open-title">Public channels</h2>
          <button
            type="button"
            className="quiet"
            aria-label="Look for public channels again"
            data-testid="refresh-public"
            onClick={() => void chat.loadOpen()}
          >
            <Icon name="refresh" />
          </button>
        </header>
        <Joinable chat={chat} state={state} />
      </section>
    </nav>
  );
}

function Mine({ chat, state }: { chat: Chat; state: State }) {
  const channels = channelList(state);
  if (state.mine.loading === "failed") {
    return (
      <button type="button" className="more" onClick={() => void chat.loadMine()}>
        Try again
      </button>
    );
  }
  if (state.mine.loading !== "done") return <p className="empty">Loading…</p>;
  if (channels.length === 0) {
    return <p className="empty">You are in no channel yet. Create one, or join a public one.</p>;
  }
  return (
    <ul data-testid="my-channels">
      {channels.map((channel) => (
        <li key={channel.arn}>
          <ChannelButton channel={channel} isOpen={channel.arn === state.selected} onOpen={() => chat.select(channel.arn)} />
        </li>
      ))}
    </ul>
  );
}

function ChannelButton({ channel, isOpen, onOpen }: { channel: Channel; isOpen: boolean; onOpen: () => void }) {
  const unread = !isOpen && isUnread(channel);
  return (
    <button
      type="button"
      className={`channel-item${unread ? " unread" : ""}`}
      aria-current={isOpen ? "true" : undefined}
      data-testid="channel-item"
      data-channel-arn={channel.arn}
      onClick={onOpen}
    >
      <span className="hash" aria-hidden="true">
        #
      </span>
      <span className="name">{channel.name}</span>
      {!channel.isPublic && <span className="tag">private</span>}
      {unread && <span className="unread-dot" role="img" aria-label="unread messages" data-testid="unread" />}
    </button>
  );
}

function Joinable({ chat, state }: { chat: Chat; state: State }) {
  const channels = joinableChannels(state);
  const { loading, more } = state.open;
  return (
    <>
      {channels.length === 0 && loading === "done" && <p className="empty">There is no other public channel.</p>}
      {channels.length === 0 && (loading === "busy" || loading === "no") && <p className="empty">Loading…</p>}
      <ul>
        {channels.map((channel) => (
          <li key={channel.arn} className="joinable" data-testid="public-channel">
            <span className="hash" aria-hidden="true">
              #
            </span>
            <span className="name">{channel.name}</span>
            <button
              type="button"
              className="small"
              aria-label={`Join ${channel.name}`}
              data-testid="join"
              onClick={() => void chat.join(channel.arn)}
            >
              Join
            </button>
          </li>
        ))}
      </ul>
      {more !== undefined && (
        <button type="button" className="more" disabled={loading === "busy"} onClick={() => void chat.loadOpen(more)}>
          Show more
        </button>
      )}
    </>
  );
}
