import { useEffect, useRef, useState } from "react";
import type { Channel, Person } from "../model/types";
import type { Chat } from "../state/chat";
import type { Room } from "../state/state";
import { AddMemberDialog } from "./add-member";
import { Avatar } from "./avatar";
import { Confirm } from "./confirm";
import { Icon } from "./icons";

interface Props {
  chat: Chat;
  me: Person;
  channel: Channel;
  room: Room;
  onClose: () => void;
}

export function MemberPanel({ chat, me, channel, room, onClose }: Props) {
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Person>();
  const closeButton = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    closeButton.current?.focus();
  }, []);

  return (
    <aside
      className="members"
      aria-labelledby="members-title"
      data-testid="members"
      onKeyDown={(e) => e.key === "Escape" && !adding && removing === undefined && onClose()}
    >
      <header>
        <h2 id="members-title">Members</h2>
        <button type="button" className="quiet" aria-label="Add a member" data-testid="add-member" onClick={() => setAdding(true)}>
          <Icon name="plus" />
        </button>
        <button ref={closeButton} type="button" className="quiet" aria-label="Close the members" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {room.roster === "busy" && room.members.length === 0 && <p className="empty">Loading…</p>}
      {room.roster === "failed" && (
        <button type="button" className="more" onClick={() => void chat.refreshRoster(channel.arn)}>
          Try again
        </button>
      )}
      {room.roster === "done" && room.members.length === 0 && <p className="empty">Nobody is in this channel.</p>}
      <ul>
        {room.members.map((person) => (
          <li key={person.arn} data-testid="member" data-member-arn={person.arn}>
            <Avatar person={person} />
            <span className="name">
              {person.name}
              {person.arn === me.arn && <small> (you)</small>}
            </span>
            {person.arn !== me.arn && (
              <button
                type="button"
                className="quiet"
                aria-label={`Remove ${person.name}`}
                data-testid="remove-member"
                onClick={() => setRemoving(person)}
              >
                <Icon name="close" />
              </button>
            )}
          </li>
        ))}
      </ul>
      {room.moreMembers !== undefined && (
        <button type="button" className="more" onClick={() => void chat.loadMoreMembers(channel.arn)}>
          Show more
        </button>
      )}
      {adding && <AddMemberDialog chat={chat} channel={channel} room={room} onClose={() => setAdding(false)} />}
      {removing && (
        <Confirm
          title={`Remove ${removing.name}?`}
          text={`${removing.name} gets no more messages of “${channel.name}”.`}
          action="Remove"
          onConfirm={() => chat.removeMember(channel.arn, removing)}
          onClose={() => setRemoving(undefined)}
        />
      )}
    </aside>
  );
}
