import type { Metrics } from "../telemetry/metrics.ts";

export type StreamMetrics = ReturnType<typeof streamMetrics>;

/** What every group counts. */
export function streamMetrics(metrics: Metrics) {
  return {
    acknowledged: metrics.counter(
      "payflow_streams_acknowledged_events_total",
      "Events a group is done with.",
      ["group"],
    ),
    failures: metrics.counter(
      "payflow_streams_failures_total",
      "Failed tries, by whether the event itself was at fault.",
      ["group", "kind"],
    ),
    deadLetters: metrics.counter("payflow_streams_dead_letters_total", "Events given up after all tries.", [
      "group",
    ]),
    heldPartitions: metrics.gauge("payflow_streams_held_partitions_count", "Partitions this replica reads.", [
      "group",
    ]),
  };
}
