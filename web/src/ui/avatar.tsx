import type { Person } from "../model/types";

const tones = 6;

/** Initials on one of a few colours that stays the same for a person. */
export function Avatar({ person }: { person: Person }) {
  return (
    <span className={`avatar tone-${toneOf(person.arn)}`} aria-hidden="true">
      {initials(person.name)}
    </span>
  );
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const first = [...(words[0] ?? "")][0] ?? "?";
  const last = words.length > 1 ? ([...words.at(-1)!][0] ?? "") : "";
  return (first + last).toUpperCase();
}

function toneOf(text: string): number {
  let sum = 0;
  for (const char of text) sum = (sum * 31 + char.codePointAt(0)!) % 9973;
  return sum % tones;
}
