import type { BotState } from "./types";

// What bots say comes as JSON of Lex, in the ContentTypes that AWS gives it.

const messages = "application/amz-chime-lex-msgs";
const error = "application/amz-chime-lex-error";

interface Card {
  Title?: unknown;
  Subtitle?: unknown;
  Buttons?: unknown;
}

interface Part {
  Content?: unknown;
  ImageResponseCard?: Card;
}

/** Whether a CONTROL message is for people: a bot says that it cannot answer. */
export function isBotError(contentType: string | undefined): boolean {
  return contentType === error;
}

/** The text of a message: of one of a bot what it says, of any other its content. */
export function spoken(content: string, contentType: string | undefined): string {
  if (contentType !== messages && contentType !== error) return content;
  try {
    const said = JSON.parse(content) as { Messages?: unknown; Code?: unknown };
    if (contentType === error) return `cannot answer now (error ${String(said.Code)})`;
    if (!Array.isArray(said.Messages)) return content;
    return (said.Messages as Part[]).map(partText).filter(Boolean).join("\n");
  } catch {
    return content;
  }
}

/** Cards are shown as their texts, and their buttons as a list of what may be answered. */
function partText({ Content, ImageResponseCard: card }: Part): string {
  const buttons = (Array.isArray(card?.Buttons) ? card.Buttons : []) as { Text?: unknown }[];
  const lines = [Content, card?.Title, card?.Subtitle, ...buttons.map((b) => (typeof b.Text === "string" ? `• ${b.Text}` : ""))];
  return lines.filter((line): line is string => typeof line === "string" && line !== "").join("\n");
}

/** How far a bot is that writes its answer piece by piece. */
export function botState(metadata: string | undefined): BotState | undefined {
  if (!metadata?.includes('"carillon"')) return undefined;
  try {
    const state = (JSON.parse(metadata) as { carillon?: { answer?: unknown } }).carillon?.answer;
    return state === "writing" || state === "broken" ? state : undefined;
  } catch {
    return undefined;
  }
}
