import type { Person } from "../model/types";
import { Avatar } from "./avatar";

interface Props {
  people: Person[];
  active: number;
  onPick: (person: Person) => void;
}

/** The members that fit what is typed behind an @, above the composer. The focus stays in the composer. */
export function MentionList({ people, active, onPick }: Props) {
  return (
    <ul id="mention-list" className="mentions" role="listbox" aria-label="Members to mention" data-testid="mentions">
      {people.map((person, i) => (
        <li
          key={person.arn}
          id={optionId(i)}
          role="option"
          aria-selected={i === active}
          data-testid="mention"
          onMouseDown={(e) => {
            e.preventDefault();
            onPick(person);
          }}
        >
          <Avatar person={person} />
          <span className="name">{person.name}</span>
        </li>
      ))}
    </ul>
  );
}

export function optionId(i: number): string {
  return `mention-${i}`;
}
