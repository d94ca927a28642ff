import type { Message } from "../model/types";

const groupGapMs = 5 * 60_000;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const timeLabel = (ms: number): string => clock.format(ms);
export const exactLabel = (ms: number): string => exact.format(ms);

export function dayLabel(ms: number, now = Date.now()): string {
  return sameDay(ms, now) ? "Today" : day.format(ms);
}

export function startsNewDay(before: Message | undefined, message: Message): boolean {
  return before === undefined || !sameDay(before.createdAt, message.createdAt);
}

/** False for a message that stands under its sender's previous one without a head of its own. */
export function startsGroup(before: Message | undefined, message: Message): boolean {
  return (
    before === undefined ||
    before.sender.arn !== message.sender.arn ||
    message.createdAt - before.createdAt > groupGapMs ||
    !sameDay(before.createdAt, message.createdAt)
  );
}

function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}
