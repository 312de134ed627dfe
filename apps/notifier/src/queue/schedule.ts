const minute = 60;
const hour = 60 * minute;

/** When a delivery's attempts are due, in seconds after the start of the first. */
export const offsetsSeconds: readonly number[] = [
  0,
  30,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  24 * hour,
  48 * hour,
  72 * hour,
];

export const maxAttempts = offsetsSeconds.length;

/** An attempt that came late, as after an outage of ours, is not followed by the next one at once. */
const leastPauseSeconds = 30;

/**
 * What an endpoint may ask for by `Retry-After`: a day for the delivery, five minutes for all of its
 * deliveries.
 */
const maxRetryAfterSeconds = 24 * hour;
export const maxHoldSeconds = 5 * minute;

export interface Retry {
  /** Seconds after the start of the first attempt before which the next one is not due. */
  readonly offsetSeconds: number;
  /** Seconds from now before which it is not due either. */
  readonly leastSeconds: number;
}

/**
 * When the attempt after `attempt` (from 1) is due, or null after the last one. Jitter puts it up to 10 % of
 * the gap between the two later, never earlier; `Retry-After` puts it later too, up to a day.
 */
export function nextAttempt(
  attempt: number,
  retryAfterSeconds: number | null,
  random = Math.random,
): Retry | null {
  const offset = offsetsSeconds[attempt];
  const before = offsetsSeconds[attempt - 1];
  if (offset === undefined || before === undefined) return null;
  const jitter = 0.1 * random() * (offset - before);
  const asked = Math.min(retryAfterSeconds ?? 0, maxRetryAfterSeconds);
  return { offsetSeconds: offset + jitter, leastSeconds: Math.max(asked, leastPauseSeconds) };
}

/**
 * The seconds that a `Retry-After` header asks for, in either form (RFC 9110, 10.2.3), or null. `nowMs` since
 * 1970.
 */
export function readRetryAfter(header: string | undefined, nowMs: number): number | null {
  const text = header?.trim() ?? "";
  if (/^\d{1,10}$/.test(text)) return Number(text);
  // Of dates only those with a name of a day are meant; Date.parse alone would read much else.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return null;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? null : Math.max(0, Math.ceil((atMs - nowMs) / 1_000));
}
