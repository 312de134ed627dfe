import { Metrics } from "../telemetry/metrics.ts";
import type { Subscription } from "./bus.ts";

export type BusMetrics = ReturnType<typeof busMetrics>;

/** What every adapter counts. */
export function busMetrics(metrics: Metrics) {
  return {
    published: metrics.counter("payflow_bus_published_events_total", "Events the broker acknowledged.", [
      "topic",
    ]),
    handled: metrics.counter("payflow_bus_handled_events_total", "Events handled and acknowledged.", [
      "group",
      "topic",
    ]),
    batchSeconds: metrics.histogram("payflow_bus_batch_seconds", "Time a handler takes for a batch.", [
      "group",
      "topic",
    ]),
    failures: metrics.counter(
      "payflow_bus_failures_total",
      "Failed tries, by whether the event itself was at fault.",
      ["group", "topic", "kind"],
    ),
    deadLetters: metrics.counter("payflow_bus_dead_letters_total", "Events given up after all tries.", [
      "group",
      "topic",
    ]),
    heldPartitions: metrics.gauge("payflow_bus_held_partitions_count", "Partitions this replica reads.", [
      "group",
      "topic",
    ]),
    pausedPartitions: metrics.gauge(
      "payflow_bus_paused_partitions_count",
      "Of those, the ones of which nothing more is fetched until the handler has caught up (Kafka).",
      ["group", "topic"],
    ),
    lagEvents: metrics.gauge("payflow_bus_lag_events", "Events the group has not acknowledged.", [
      "group",
      "topic",
    ]),
    lagSeconds: metrics.gauge("payflow_bus_lag_seconds", "Age of the oldest of them.", ["group", "topic"]),
    retentionShare: metrics.gauge(
      "payflow_bus_retention_ratio",
      "Age of the oldest of them, as a share of the time that the broker keeps events; at 1 they are dropped (Kafka).",
      ["group", "topic"],
    ),
    storageShare: metrics.gauge("payflow_bus_storage_ratio", "Share of the broker's memory in use."),
  };
}

/** Shows what a subscription has not had yet and had better never have. */
export function countFromZero(metrics: BusMetrics, { group, topics }: Subscription): void {
  for (const topic of topics) Metrics.beginAtZero(metrics.deadLetters, { group, topic });
}
