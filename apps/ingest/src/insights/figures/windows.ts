/**
 * What was counted is kept in records of a minute, five minutes, half an hour and two hours, each as long as
 * it is read.
 */
export const levels = [
  { minutes: 1, slots: 32 },
  { minutes: 5, slots: 28 },
  { minutes: 30, slots: 26 },
  { minutes: 120, slots: 26 },
] as const;
export type Level = (typeof levels)[number];

const [byMinute, byFive, byHalfHour, byTwoHours] = levels;

/** The windows that can be asked for, and the records of which each is made: fifteen at most. */
export const windows = {
  "5m": { minutes: 5, level: byMinute },
  "15m": { minutes: 15, level: byMinute },
  "1h": { minutes: 60, level: byFive },
  "6h": { minutes: 360, level: byHalfHour },
  "24h": { minutes: 1_440, level: byTwoHours },
} as const;

export type WindowName = keyof typeof windows;
// The table's own keys, which is all that Object.keys gives of it.
export const windowNames = Object.keys(windows) as readonly WindowName[];

/** A span of whole minutes since 1970; `to` is the first minute after it. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * The window that ends with the current minute, and the one before it. A window begins with a whole record,
 * so that it holds up to one record's length less than its name says; the one before has its full length.
 */
export function windowSpans(name: WindowName, currentMinute: number): { current: Span; previous: Span } {
  const { minutes, level } = windows[name];
  const from = blockOf(level, currentMinute) + level.minutes - minutes;
  return { current: { from, to: currentMinute + 1 }, previous: { from: from - minutes, to: from } };
}

/** The first minute of the record that a minute belongs to. */
export function blockOf(level: Level, minute: number): number {
  return minute - (minute % level.minutes);
}

/** The first minutes of the records that a span is made of. */
export function blocksIn(level: Level, span: Span): number[] {
  const blocks: number[] = [];
  for (let block = span.from; block < span.to; block += level.minutes) blocks.push(block);
  return blocks;
}

/**
 * The field of a record. Fields are used again in turn, so that a tenant has a bounded number of them
 * whenever its events come; a record tells its own minute.
 */
export function slotOf(level: Level, block: number): string {
  return `${level.minutes}:${(block / level.minutes) % level.slots}`;
}

/**
 * The spans from which a processor's state is judged at the end of a minute: what is new, and what was usual.
 */
export function judgedSpans(minute: number): { window: Span; baseline: Span } {
  const window = { from: minute + 1 - judgedMinutes, to: minute + 1 };
  // Whole records of five minutes, so that twelve texts are read in the place of sixty.
  const to = blockOf(byFive, window.from);
  return { window, baseline: { from: to - baselineMinutes, to } };
}

const judgedMinutes = 5;
const baselineMinutes = 60;

/** The records of the spans of `judgedSpans`. */
export const judgedLevels = { window: byMinute, baseline: byFive } as const;

const minuteMs = 60_000;

export function minuteOf(timeMs: number): number {
  return Math.floor(timeMs / minuteMs);
}

/** The moment at which a minute begins, as RFC 3339. */
export function minuteText(minute: number): string {
  return new Date(minute * minuteMs).toISOString();
}
