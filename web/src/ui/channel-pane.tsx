import { useRef, useState } from "react";
import type { Channel } from "../model/types";
import type { Chat } from "../state/chat";
import { roomOf, type State } from "../state/state";
import { Composer } from "./composer";
import { Confirm } from "./confirm";
import { Icon } from "./icons";
import { MemberPanel } from "./member-panel";
import { MessageList } from "./message-list";

interface Props {
  chat: Chat;
  state: State;
  channel: Channel;
}

/** The open channel: head, history, composer, and the members beside it on demand. */
export function ChannelPane({ chat, state, channel }: Props) {
  const room = roomOf(state, channel.arn);
  const [showMembers, setShowMembers] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const membersButton = useRef<HTMLButtonElement>(null);

  const closeMembers = () => {
    setShowMembers(false);
    membersButton.current?.focus();
  };
  const others = room.members.filter((m) => m.arn !== state.me.arn);
  const count = room.roster === "no" ? "" : `${room.members.length}${room.moreMembers ? "+" : ""}`;

  return (
    <>
      <main className="pane" aria-labelledby="channel-title">
        <header className="pane-head">
          <button
            type="button"
            className="quiet back"
            aria-label="Back to the channels"
            data-testid="back"
            onClick={() => chat.select(undefined)}
          >
            <Icon name="back" />
          </button>
          <div className="pane-title">
            <h1 id="channel-title" data-testid="channel-title">
              {channel.name}
            </h1>
            <small>
              {channel.isPublic ? "public" : "private"}, {channel.isRestricted ? "moderators add members" : "members add members"}
            </small>
          </div>
          <button
            ref={membersButton}
            type="button"
            className="quiet"
            aria-label={`Members ${count}`}
            aria-expanded={showMembers}
            data-testid="members-toggle"
            onClick={() => setShowMembers(!showMembers)}
          >
            <Icon name="people" />
            <span aria-hidden="true">{count}</span>
          </button>
          <button
            type="button"
            className="quiet"
            aria-label="Leave the channel"
            data-testid="leave"
            onClick={() => setLeaving(true)}
          >
            <Icon name="leave" />
          </button>
        </header>
        <MessageList chat={chat} me={state.me} arn={channel.arn} room={room} />
        <Composer chat={chat} arn={channel.arn} name={channel.name} draft={room.draft} others={others} />
      </main>
      {showMembers && <MemberPanel chat={chat} me={state.me} channel={channel} room={room} onClose={closeMembers} />}
      {leaving && (
        <Confirm
          title={`Leave “${channel.name}”?`}
          text={
            channel.isPublic
              ? "You get no more messages of it. You can join again."
              : "You get no more messages of it, and somebody has to add you again."
          }
          action="Leave"
          onConfirm={() => chat.leave(channel.arn)}
          onClose={() => setLeaving(false)}
        />
      )}
    </>
  );
}
