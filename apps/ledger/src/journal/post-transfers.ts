import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import type { BatchProgress } from "@payflow/service-kit/bus/bus.ts";
import { retry } from "@payflow/service-kit/concurrency/retry.ts";
import { isRetriableTransaction } from "@payflow/service-kit/store/database.ts";
import type { StoreClock } from "@payflow/service-kit/store/store-clock.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { latencySeconds, Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { JournalStore } from "./journal.store.ts";
import { type Posting, transferTypes } from "./transfer.ts";

export interface PostTransfers {
  readonly journal: Pick<JournalStore, "post">;
  readonly metrics: PostingMetrics;
  /** The store's, which producers' times are compared with. */
  readonly clock: Pick<StoreClock, "now">;
  readonly logger: Logger;
}

export type PostingMetrics = ReturnType<typeof postingMetrics>;

/** The metrics of posting. */
export function postingMetrics(metrics: Metrics) {
  const refused = metrics.counter(
    "payflow_ledger_refused_postings_total",
    "Events that contradict what is booked already. Each is a row of refused_posting; look at it.",
    ["type"],
  );
  for (const type of transferTypes) Metrics.beginAtZero(refused, { type });
  return {
    booked: metrics.counter("payflow_ledger_booked_transfers_total", "Movements booked.", ["type"]),
    refused,
    lag: metrics.histogram(
      "payflow_ledger_booking_lag_seconds",
      "From the event's time at its producer to the commit of its movement.",
      ["type"],
      [...latencySeconds, 300, 3_600],
    ),
    seconds: metrics.histogram("payflow_ledger_posting_seconds", "Time of one posting call."),
    batch: metrics.histogram(
      "payflow_ledger_posting_batch_events",
      "Events of one posting call.",
      [],
      [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000],
    ),
  };
}

/**
 * Books a batch of one topic's events in one transaction, each at most once however often it is told, and
 * stores there where its partition goes on.
 * Deadlocks and serialization failures are retried here; any other error leaves nothing booked and is thrown
 * for the bus to judge.
 */
export async function postTransfers<T extends Topic>(
  deps: PostTransfers,
  topic: T,
  events: readonly EventEnvelope<T>[],
  toPosting: (event: EventEnvelope<T>) => Posting,
  progress?: BatchProgress,
): Promise<void> {
  const last = events.at(-1);
  if (last === undefined) return;
  const postings = events.map(toPosting);
  const startedAt = performance.now();
  const batch = {
    topic,
    events: events.length,
    lastEventId: last.event_id,
    lastOccurredAt: last.occurred_at,
    progress,
  };
  const posted = await retry(() => deps.journal.post(postings, batch), isRetriableTransaction, {
    firstMs: 5,
    maxMs: 200,
    attempts: 8,
  });
  deps.metrics.seconds.observe((performance.now() - startedAt) / 1_000);
  deps.metrics.batch.observe(events.length);
  observeBooked(deps, postings, events, new Set(posted.booked));
  reportRefused(deps, postings, new Set(posted.refused));
}

function observeBooked(
  { metrics, clock }: PostTransfers,
  postings: readonly Posting[],
  events: readonly EventEnvelope[],
  booked: ReadonlySet<string>,
): void {
  const now = clock.now().getTime();
  for (const [index, { type, eventId }] of postings.entries()) {
    const event = events[index];
    if (event === undefined || !booked.has(eventId)) continue;
    metrics.booked.inc({ type });
    metrics.lag.observe({ type }, Math.max(0, now - Date.parse(event.occurred_at)) / 1_000);
  }
}

function reportRefused(
  { metrics, logger }: PostTransfers,
  postings: readonly Posting[],
  refused: ReadonlySet<string>,
): void {
  for (const posting of postings) {
    if (!refused.has(posting.eventId)) continue;
    metrics.refused.inc({ type: posting.type });
    logger.error(
      {
        event_id: posting.eventId,
        tenant_id: posting.tenantId,
        payment_id: posting.paymentId,
        refund_id: posting.refundId,
      },
      "an event contradicts what the journal holds; it was not booked",
    );
  }
}
