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
  if (event === null) return null;
  const outcome = outcomeOf(event);
  const retries = event.retry_count ?? 0;
  const retried = retryVerdict(event.retry_result) ?? (outcome === "open" ? null : outcome);
  return {
    processor: event.processor,
    outcome,
    isTimeout: outcome === "failed" && isTimeoutCategory(event.failure_category),
    retries,
    isRetrySucceeded: retries === 0 || retried === null ? null : retried === "succeeded",
    isLate: arrivedAtMs - Date.parse(event.event_timestamp) > lateMs,
    category: event.failure_category ?? null,
    geography: event.geo_bucket ?? null,
    method: event.payment_method_bucket ?? null,
  };
}

/** The fields that are read; each was checked before the event was stored. */
interface StoredEvent {
  readonly event_type: string;
  readonly event_timestamp: string;
  readonly processor: string;
  readonly failure_category?: string | null;
  readonly retry_count?: number | null;
  readonly geo_bucket?: string | null;
  readonly payment_method_bucket?: string | null;
  readonly retry_result?: string | null;
}

/** Only what ingest stored is read here, but a stream is open to other programs too. */
function parse(text: string): StoredEvent | null {
  try {
    const value: unknown = JSON.parse(text);
    const isEvent =
      typeof value === "object" &&
      value !== null &&
      "event_type" in value &&
      typeof value.event_type === "string" &&
      "processor" in value &&
      typeof value.processor === "string";
    // The two fields without which nothing can be counted are there; ingest checked the others.
    return isEvent ? (value as StoredEvent) : null;
  } catch {
    return null;
  }
}
