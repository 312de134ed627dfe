import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { FinishedAttempt, QueueStore } from "./queue.store.ts";

type Depth = Awaited<ReturnType<QueueStore["depth"]>>;

export type WebhookMetrics = ReturnType<typeof webhookMetrics>;

/** What is counted of webhooks. The depth of the queue is asked at each scrape. */
export function webhookMetrics(metrics: Metrics, queue: Pick<QueueStore, "depth">) {
  const attempts = metrics.counter("payflow_webhook_attempts_total", "Attempts made, by what came of them.", [
    "outcome",
    "error",
  ]);
  const attemptSeconds = metrics.histogram("payflow_webhook_attempt_seconds", "Duration of an attempt.");
  const deliverySeconds = metrics.histogram(
    "payflow_webhook_first_attempt_delay_seconds",
    "From a message's being queued to the start of its first attempt.",
  );
  // One scrape collects both figures at once, and one question answers both.
  let asked: Promise<Depth | null> | null = null;
  const depth = () => {
    // A scrape must not fail because PostgreSQL is away: the figures stay as they were.
    asked ??= queue
      .depth()
      .catch(() => null)
      .finally(() => {
        asked = null;
      });
    return asked;
  };
  const tell = (name: string, help: string, figure: (depth: Depth) => number) =>
    metrics.gauge(name, help, [], async (gauge) => {
      const found = await depth();
      if (found !== null) gauge.set(figure(found));
    });
  tell(
    "payflow_webhook_queue_deliveries",
    "Deliveries that wait or are under way, counted up to 100,000.",
    ({ deliveries }) => deliveries,
  );
  tell(
    "payflow_webhook_queue_late_seconds",
    "How long the next turn has been due.",
    ({ lateSeconds }) => lateSeconds,
  );
  return {
    inFlight: metrics.gauge("payflow_webhook_attempts_in_flight", "Attempts under way in this process."),
    lost: metrics.counter("payflow_webhook_leases_expired_total", "Attempts whose worker was lost."),
    disabled: metrics.counter("payflow_webhook_endpoints_disabled_total", "Endpoints disabled by us.", [
      "reason",
    ]),
    enabled: metrics.counter("payflow_webhook_endpoints_recovered_total", "Endpoints enabled by a probe."),
    warnings: metrics.counter("payflow_webhook_endpoint_warnings_total", "Warnings before disabling.", [
      "percent",
    ]),
    messages: metrics.counter("payflow_webhook_events_total", "Events read from the bus.", ["event"]),
    queued: metrics.counter("payflow_webhook_deliveries_total", "Deliveries queued."),
    observe(attempt: FinishedAttempt): void {
      attempts.inc({ outcome: attempt.outcome, error: attempt.error ?? "none" });
      attemptSeconds.observe(attempt.durationMs / 1_000);
      if (attempt.delivery.number === 1) {
        deliverySeconds.observe(Math.max(0, attempt.startedAt - attempt.delivery.queuedAt));
      }
    },
  };
}
