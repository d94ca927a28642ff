import { useEffect, useState, type KeyboardEvent } from "react";
import { fitting, typedAt } from "../model/mentions";
import type { Person } from "../model/types";

/** Members that are offered at once. */
const mostOffered = 8;

/** Offers members while a mention is typed at the caret. `insert` gets the text with the picked name, and the caret behind it. */
export function useMentions(draft: string, members: Person[], insert: (text: string, caret: number) => void) {
  const [caret, setCaret] = useState(0);
  const [chosen, setActive] = useState(0);
  const [closedAt, setClosedAt] = useState(-1); // the mention that Escape closed the list of
  const typed = typedAt(draft, Math.min(caret, draft.length));
  const people = typed === undefined || typed.from === closedAt ? [] : fitting(typed, members).slice(0, mostOffered);
  const active = Math.min(chosen, people.length - 1);
  useEffect(() => setActive(0), [typed?.name]);
  useEffect(() => {
    if (typed === undefined) setClosedAt(-1);
  }, [typed === undefined]);

  const pick = (person: Person) => {
    if (typed === undefined) return;
    const head = `${draft.slice(0, typed.from)}${person.name} `;
    insert(head + draft.slice(typed.from + typed.name.length).replace(/^ /, ""), head.length);
    setCaret(head.length);
  };

  /** Whether the key was for the list. */
  const takesKey = (event: KeyboardEvent): boolean => {
    if (people.length === 0) return false;
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp":
        setActive((active + (event.key === "ArrowDown" ? 1 : people.length - 1)) % people.length);
        return true;
      case "Enter":
      case "Tab":
        pick(people[active]!);
        return true;
      case "Escape":
        setClosedAt(typed?.from ?? -1);
        return true;
    }
    return false;
  };
  return { people, active, setCaret, pick, takesKey };
}
