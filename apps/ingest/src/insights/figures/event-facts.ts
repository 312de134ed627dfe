import { isTimeoutCategory, type Outcome, outcomeOf, retryVerdict } from "./outcome.ts";

/** What is counted of one event. */
export interface EventFacts {
  readonly processor: string;
  readonly outcome: Outcome;
  /** A failure whose category names a time-out. */
  readonly isTimeout: boolean;
  /** The event's `retry_count`. */
  readonly retries: number;
  /** Of an event with retries: whether the last one succeeded; null where nothing tells. */
  readonly isRetrySucceeded: boolean | null;
  /** It tells of a moment so long before its arrival that it would falsify what happens now. */
  readonly isLate: boolean;
  readonly category: string | null;
  readonly geography: string | null;
  readonly method: string | null;
}

/**
 * Reads a stored event that arrived at the given moment, in milliseconds since 1970; null for text that is no
 * event. Late is what happened more than `lateMs` before it arrived.
 */
export function readFacts(text: string, arrivedAtMs: number, lateMs: number): EventFacts | null {
  const event = parse(text);
  const type = textOf(event?.event_type);
  const processor = textOf(event?.processor);
  if (event === null || type === null || processor === null) return null;
  const category = textOf(event.failure_category);
  const retryResult = textOf(event.retry_result);
  const outcome = outcomeOf({ event_type: type, failure_category: category, retry_result: retryResult });
  const retries = countOf(event.retry_count);
  const retried = retryVerdict(retryResult) ?? (outcome === "open" ? null : outcome);
  return {
    processor,
    outcome,
    isTimeout: outcome === "failed" && isTimeoutCategory(category),
    retries,
    isRetrySucceeded: retries === 0 || retried === null ? null : retried === "succeeded",
    isLate: arrivedAtMs - Date.parse(textOf(event.event_timestamp) ?? "") > lateMs,
    category,
    geography: textOf(event.geo_bucket),
    method: textOf(event.payment_method_bucket),
  };
}

/** The fields that are read. Ingest checked them, but other programs may write to a stream too. */
type StoredEvent = Partial<
  Record<
    | "event_type"
    | "event_timestamp"
    | "processor"
    | "failure_category"
    | "retry_count"
    | "geo_bucket"
    | "payment_method_bucket"
    | "retry_result",
    unknown
  >
>;

function parse(text: string): StoredEvent | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

const mostRetries = 1_000_000;

function countOf(value: unknown): number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? Math.min(value, mostRetries) : 0;
}
