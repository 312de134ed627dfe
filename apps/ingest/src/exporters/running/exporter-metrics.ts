import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";

export type ExporterMetrics = ReturnType<typeof exporterMetrics>;

/** What exporters count; how far their groups are behind stands with all other groups' lag. */
export function exporterMetrics(metrics: Metrics) {
  return {
    files: metrics.counter("payflow_ingest_export_files_total", "Files stored.", ["exporter"]),
    rows: metrics.counter("payflow_ingest_export_rows_total", "Rows stored in files or in Kafka.", [
      "exporter",
    ]),
    bytes: metrics.counter("payflow_ingest_export_file_bytes_total", "Bytes of the files stored.", [
      "exporter",
    ]),
    troubles: metrics.counter("payflow_ingest_export_failures_total", "Attempts that failed.", ["exporter"]),
    parkedEvents: metrics.gauge(
      "payflow_ingest_parked_events_count",
      "Events that wait for tenants' own targets.",
      ["exporter"],
    ),
    parkedBytes: metrics.gauge("payflow_ingest_parked_bytes", "Bytes of the events that wait there.", [
      "exporter",
    ]),
  };
}
