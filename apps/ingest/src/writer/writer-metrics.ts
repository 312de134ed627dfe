import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";

export type WriterMetrics = ReturnType<typeof writerMetrics>;

/** What the writer tells of its work. */
export function writerMetrics(metrics: Metrics) {
  return {
    events: metrics.counter("payflow_ingest_events_total", "Events by what became of them.", ["result"]),
    flushSeconds: metrics.histogram("payflow_ingest_flush_seconds", "Time to store the events of one call."),
    flushEvents: metrics.histogram(
      "payflow_ingest_flush_events",
      "Events stored by one call.",
      [],
      [1, 2, 5, 10, 20, 50, 100, 200, 500],
    ),
    openEvents: metrics.gauge("payflow_ingest_open_events", "Events that wait to be stored."),
  };
}
