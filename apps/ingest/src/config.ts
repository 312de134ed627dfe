import { busSettings, serviceSettings, setting } from "@payflow/service-kit/process/config.ts";
import { Type } from "@sinclair/typebox";

/** Everything ingest reads from its environment. */
export const ingestSettings = Type.Object({
  ...serviceSettings,
  ...busSettings,
  INGEST_ROLE: setting.choice(
    ["api", "exporter", "all"],
    "What this process does: take events, export them, or both.",
    "all",
  ),
  INGEST_REDIS_URL: setting.optional(
    setting.text(
      "The Redis of the event streams, or several nodes of a cluster by comma; the durable Redis when left out.",
      undefined,
      { secret: true, pattern: "^rediss?://[^/?#\\s,]+[^\\s,]*( *, *rediss?://[^/?#\\s,]+[^\\s,]*)*$" },
    ),
  ),
  INGEST_DURABILITY: setting.choice(
    ["fsync", "memory"],
    "Whether an accepted event is on disk, or in Redis's memory and on disk within a second.",
    "fsync",
  ),
  INGEST_PARTITIONS: setting.integer("Streams; fixed once they are made.", 16, { minimum: 1, maximum: 256 }),
  INGEST_MAX_MERCHANTS: setting.integer("Merchants a tenant may have.", 100_000, {
    minimum: 1,
    maximum: 10_000_000,
  }),
  INGEST_RETENTION_SECONDS: setting.integer(
    "How long events that every group has read are kept while there is room.",
    86_400,
    { minimum: 0, maximum: 30 * 86_400 },
  ),
  NOTIFIER_SERVICE_URL: setting.url("The notifier app's internal base URL.", "http://127.0.0.1:4002"),
});
