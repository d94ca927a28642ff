import { useEffect, useState } from "react";
import { idOf } from "../model/convert";
import type { Channel, Person } from "../model/types";
import type { Chat } from "../state/chat";
import type { Room } from "../state/state";
import { Avatar } from "./avatar";
import { Dialog } from "./dialog";
import { InlineError } from "./notice";
import { useTask } from "./use-task";

interface Props {
  chat: Chat;
  channel: Channel;
  room: Room;
  onClose: () => void;
}

/** Lists the users of the app instance; the filter works on those loaded so far. */
export function AddMemberDialog({ chat, channel, room, onClose }: Props) {
  const [users, setUsers] = useState<Person[]>([]);
  const [next, setNext] = useState<string>();
  const [loaded, setLoaded] = useState(false);
  const [filter, setFilter] = useState("");
  const list = useTask();
  const add = useTask();

  const loadPage = (token?: string) =>
    list.run(async () => {
      const page = await chat.users(token);
      setUsers((before) => (token === undefined ? page.items : [...before, ...page.items]));
      setNext(page.next);
      setLoaded(true);
    });
  useEffect(() => {
    void loadPage();
    // Once for each opening of the dialog.
  }, []);

  const members = new Set(room.members.map((m) => m.arn));
  const wanted = filter.trim().toLowerCase();
  const found = users.filter((u) => `${u.name} ${idOf(u.arn)}`.toLowerCase().includes(wanted));

  return (
    <Dialog title={`Add to “${channel.name}”`} onClose={onClose}>
      <label>
        Search
        <input
          data-first-focus
          type="search"
          autoComplete="off"
          data-testid="user-filter"
          value={filter}
          onChange={(e) => setFilter(e.target.value)}
        />
      </label>
      <InlineError text={list.error ?? add.error} />
      {list.error !== undefined && !loaded && (
        <button type="button" className="more" onClick={() => void loadPage()}>
          Try again
        </button>
      )}
      {!loaded && list.busy && <p className="empty">Loading…</p>}
      {loaded && found.length === 0 && <p className="empty">Nobody of that name.</p>}
      <ul className="people">
        {found.map((user) => (
          <li key={user.arn}>
            <Avatar person={user} />
            <span className="name">{user.name}</span>
            {members.has(user.arn) ? (
              <span className="tag">member</span>
            ) : (
              <button
                type="button"
                className="small"
                aria-label={`Add ${user.name}`}
                disabled={add.busy}
                data-testid={`add-${idOf(user.arn)}`}
                onClick={() => void add.run(() => chat.addMember(channel.arn, user))}
              >
                Add
              </button>
            )}
          </li>
        ))}
      </ul>
      {next !== undefined && (
        <button type="button" className="more" disabled={list.busy} onClick={() => void loadPage(next)}>
          Show more
        </button>
      )}
    </Dialog>
  );
}
