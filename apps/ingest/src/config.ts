import { busSettings, serviceSettings, setting } from "@payflow/service-kit/process/config.ts";
import { Type } from "@sinclair/typebox";

/** Everything ingest reads from its environment. */
export const ingestSettings = Type.Object({
  ...serviceSettings,
  ...busSettings,
  DURABLE_REDIS_URL: setting.redisUrl(
    "The durable Redis: the event streams', and the bus's where it carries that.",
  ),
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
  INGEST_REDIS_VOUCHED: setting.flag(
    "Set it to true for a Redis that does not let its settings be read, once you have made sure of them.",
    false,
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
  INSIGHTS_LATE_SECONDS: setting.integer(
    "Events of something that happened longer before their arrival are no part of figures of processors.",
    3_600,
    { minimum: 60, maximum: 400 * 86_400 },
  ),
  INSIGHTS_LEAST_OUTCOMES: setting.integer("Outcomes in 5 minutes from which on a processor is judged.", 50, {
    minimum: 10,
    maximum: 1_000_000,
  }),
  INSIGHTS_RISE_PERCENT: setting.integer(
    "Points by which a processor's failure rate has risen above its usual one when it counts as degraded.",
    10,
    { minimum: 1, maximum: 100 },
  ),
  INSIGHTS_DEVIATIONS: setting.integer(
    "Standard errors that such a rise must be, so that chance makes none.",
    4,
    { minimum: 1, maximum: 100 },
  ),
  INSIGHTS_ALONE_PERCENT: setting.integer(
    "The failure rate of a degraded processor whose usual one is not known.",
    50,
    { minimum: 1, maximum: 100 },
  ),
  INGEST_EXPORT_FOLDER: setting.optional(
    setting.text(
      "Below it stand the folders that exporters write files to; shared by all replicas.",
      undefined,
      {
        pattern: "^/",
      },
    ),
  ),
  INGEST_EXPORTERS_FILE: setting.optional(
    setting.text("A JSON file of exporters, read at the start; those set up by admins stand beside them."),
  ),
  INGEST_PARK_AFTER_MS: setting.milliseconds(
    "From the first failure of a tenant's own target to the parking of the tenant's events.",
    10_000,
    100,
  ),
  NOTIFIER_SERVICE_URL: setting.url("The notifier app's internal base URL.", "http://127.0.0.1:4002"),
});
