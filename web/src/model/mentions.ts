import type { Person } from "./types";

// A message mentions the members whose names stand in its text behind an @. The
// attribute CHIME.mentions names them for bots and for rules of push notifications.

const letter = /[\p{L}\p{N}_]/u;

/** The members that a text mentions, in the order of the text. Those of one name are all mentioned. */
export function mentioned(text: string, members: Person[]): Person[] {
  const found: Person[] = [];
  for (let at = text.indexOf("@"); at >= 0; at = text.indexOf("@", at + 1)) {
    if (at > 0 && letter.test(text[at - 1]!)) continue; // an address
    const here = members.filter(({ name }) => stands(name, text.slice(at + 1)));
    const longest = Math.max(...here.map(({ name }) => name.length));
    found.push(...here.filter((m) => m.name.length === longest && !found.includes(m)));
  }
  return found;
}

/** Whether a text begins with the name, and not with a longer word. */
function stands(name: string, text: string): boolean {
  return name !== "" && same(text.slice(0, name.length), name) && !letter.test(text[name.length] ?? " ");
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** A mention that is being typed: what stands behind the @, and where that begins. */
export interface Typed {
  from: number;
  name: string;
}

/** What is typed of a mention up to the caret, if there is one. A name may have several words. */
export function typedAt(text: string, caret: number): Typed | undefined {
  const at = text.lastIndexOf("@", caret - 1);
  if (at < 0 || at >= caret || (at > 0 && letter.test(text[at - 1]!))) return undefined;
  const name = text.slice(at + 1, caret);
  return name.includes("\n") || name.startsWith(" ") ? undefined : { from: at + 1, name };
}

/** The members whose name, or a word of it, begins with what is typed; none when a name is complete. */
export function fitting({ name }: Typed, members: Person[]): Person[] {
  const typed = name.toLowerCase();
  const fits = members.filter((m) => ` ${m.name.toLowerCase()}`.includes(` ${typed}`));
  return fits.some((m) => same(m.name, name)) ? [] : fits;
}
