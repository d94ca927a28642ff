import type { ServerInfo } from "../model/types";
import { Avatar } from "./avatar";
import { InlineError } from "./notice";
import { Welcome } from "./welcome";

interface Props {
  users: ServerInfo["users"];
  error: string | undefined;
  onPick: (userId: string) => void;
}

export function UserPicker({ users, error, onPick }: Props) {
  return (
    <Welcome title="Who are you?">
      <p className="hint">Pick a user of this development server. A second tab can be somebody else.</p>
      <InlineError text={error} />
      {users.length === 0 && (
        <p className="empty">
          This app instance has no users yet. Create one with <code>CreateAppInstanceUser</code> and load the page again.
        </p>
      )}
      <ul className="user-cards">
        {users.map((user) => (
          <li key={user.arn}>
            <button type="button" data-testid={`user-${user.id}`} onClick={() => onPick(user.id)}>
              <Avatar person={user} />
              <span className="who">
                <strong>{user.name}</strong>
                <small>{user.id}</small>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Welcome>
  );
}
