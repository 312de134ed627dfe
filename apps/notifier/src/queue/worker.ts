import { coalesce } from "@payflow/service-kit/concurrency/coalesce.ts";
import { retry } from "@payflow/service-kit/concurrency/retry.ts";
import { startRounds } from "@payflow/service-kit/concurrency/rounds.ts";
import { isOutage, isTransient } from "@payflow/service-kit/store/database.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { type AttemptDelivery, attemptDelivery } from "./attempt-delivery.ts";
import type { ClaimedDelivery, EndpointNotice, FinishedAttempt, QueueStore } from "./queue.store.ts";
import type { WebhookMetrics } from "./webhook-metrics.ts";

export interface WorkerOptions extends AttemptDelivery {
  readonly queue: QueueStore;
  readonly metrics: WebhookMetrics;
  readonly logger: Logger;
  /** Attempts under way at once in this process. */
  readonly maxInFlight: number;
  /** How long one attempt may take. The lease is ten seconds longer. */
  readonly deadlineMs: number;
}

export interface Worker {
  /** Looks for work at once: something was queued, or a place became free. */
  wake(): void;
  /** Claims nothing more, and resolves once the attempts under way are recorded. */
  stop(): Promise<void>;
}

const leaseMarginMs = 10_000;
const maxClaim = 256;
/** Of these places an endpoint that is not known to work gets one at most, and of half of them none. */
const reservedShare = 0.25;
/** Other replicas wake only themselves: what they could not take is found after a second at most. */
const pollMs = 1_000;
/**
 * A claim costs the same for one delivery as for many: while they come in ones, claims keep this distance.
 */
const claimGapMs = 20;
const largeClaim = 32;
const finishGatherMs = 10;
/** A tenant whose row another transaction held was passed over; that takes milliseconds. */
const passedOverMs = 4;

/** Starts making attempts. Any number of processes may work on one queue. */
export function startWorker(options: WorkerOptions): Worker {
  const { queue, metrics, logger } = options;
  const leaseMs = options.deadlineMs + leaseMarginMs;
  const underWay = new Set<Promise<void>>();
  const finish = coalesceFinishes(options);

  function begin(delivery: ClaimedDelivery, receivedAtMs: number): void {
    const attempt = work(delivery, receivedAtMs).catch((error: unknown) => {
      // The lease runs out, and the attempt is made again.
      logger.error({ err: error, delivery_id: delivery.deliveryId }, "an attempt could not be recorded");
    });
    underWay.add(attempt);
    metrics.inFlight.set(underWay.size);
    void attempt.finally(() => {
      underWay.delete(attempt);
      metrics.inFlight.set(underWay.size);
      claiming.wake();
    });
  }

  async function work(delivery: ClaimedDelivery, receivedAtMs: number): Promise<void> {
    const attempt = await attemptDelivery(options, delivery, receivedAtMs);
    metrics.observe(attempt);
    const hasLease = () => performance.now() - receivedAtMs < leaseMs;
    const backoff = { firstMs: 50, maxMs: 1_000 };
    await retry(
      () => finish(attempt),
      (error) => isTransient(error) && hasLease(),
      backoff,
    );
  }

  async function claim(): Promise<number> {
    const free = options.maxInFlight - underWay.size;
    // A place that becomes free wakes the loop.
    if (free <= 0) return pollMs;
    const wanted = Math.min(maxClaim, free);
    const reserve = Math.max(0, Math.floor(options.maxInFlight * reservedShare) - (free - wanted));
    const receivedAtMs = performance.now();
    const { deliveries, waitMs } = await queue.claim(wanted, reserve, leaseMs);
    for (const delivery of deliveries) begin(delivery, receivedAtMs);
    if (deliveries.length >= largeClaim && waitMs <= 0) return 0;
    return Math.min(pollMs, Math.max(passedOverMs, waitMs));
  }

  async function sweep(): Promise<undefined> {
    const expired = await queue.expire(500);
    metrics.lost.inc(expired);
    if (expired > 0) claiming.wake();
  }

  const shared = { logger, everyMs: pollMs };
  const claiming = startRounds({
    ...shared,
    failure: "deliveries could not be claimed",
    gapMs: claimGapMs,
    round: claim,
  });
  const failure = "leases that ran out could not be taken back";
  const sweeping = startRounds({ ...shared, failure, round: sweep });
  return {
    wake: claiming.wake,
    async stop() {
      await Promise.all([claiming.stop(), sweeping.stop()]);
      await Promise.all(underWay);
    },
  };
}

/** Many outcomes go into one call; two calls at once, so that a tenant's lock does not hold up all others. */
function coalesceFinishes({ queue, metrics, logger }: WorkerOptions) {
  return coalesce<FinishedAttempt, undefined>({
    maxInFlight: 2,
    gatherMs: finishGatherMs,
    isOutage,
    compare: (left, right) => (left.delivery.tenantId < right.delivery.tenantId ? -1 : 1),
    async run(attempts) {
      for (const notice of await queue.finish(attempts)) report(notice);
      return attempts.map(() => undefined);
    },
  });

  function report({ notice, endpointId, tenantId, mode }: EndpointNotice): void {
    const about = { endpoint_id: endpointId, tenant_id: tenantId, mode };
    if (notice === "gone" || notice === "failing") {
      metrics.disabled.inc({ reason: notice });
      logger.warn({ ...about, reason: notice }, "a webhook endpoint was disabled");
    } else {
      metrics.warnings.inc({ percent: notice.slice("warning_".length) });
      logger.warn({ ...about, warning: notice }, "a webhook endpoint fails and is about to be disabled");
    }
  }
}
