import type { TenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { subscribeGroup } from "@payflow/service-kit/bus/consumers.ts";
import { openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import { createInternalClient } from "@payflow/service-kit/http/internal-client.ts";
import type { ServiceContext } from "@payflow/service-kit/process/service.ts";
import { redisTimeMs } from "@payflow/service-kit/store/redis.ts";
import { StoreClock } from "@payflow/service-kit/store/store-clock.ts";
import { connectStreams, type StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import { streamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { ingestSettings } from "./config.ts";
import { consumers } from "./consumers.ts";
import { BytesInFlight } from "./events/bodies/bytes-in-flight.ts";
import type { EventRoutes } from "./events/events.routes.ts";
import { eventMetrics } from "./events/take-events.ts";
import { openCatalog } from "./exporters/catalog/catalog.ts";
import { startExporters } from "./exporters/running/run-exporters.ts";
import { insightsStores, startInsights } from "./insights/start-insights.ts";
import { createAllowanceStore } from "./quotas/allowance.store.ts";
import { createAllowance } from "./quotas/allowance.ts";
import type { ReadUsage } from "./quotas/usage.ts";
import { startStreams } from "./streams/start-streams.ts";
import { openWriter } from "./writer/open-writer.ts";

type Context = ServiceContext<typeof ingestSettings>;

/** Bodies that a process has in its hands at most, in bytes. */
const maxBytesInFlight = 64 * 1024 * 1024;
/** A request that reserved events of an allowance is over after this long: its answer was due in 12 s. */
const quietMs = 30_000;

/** Events of the bus that are stored together, and how long a few wait for more: nobody waits for them. */
const maxBatch = 500;
const lingerMs = 100;

export type EventStore = Awaited<ReturnType<typeof openEventStore>>;

/**
 * What every role needs: connections to the streams' Redis, the writer, the upkeep, and what is set up to
 * read. Throws `ConfigError` when that Redis or the file of exporters is not as it must be.
 */
export async function openEventStore({ config, logger, metrics, scope }: Context) {
  const url = config.INGEST_REDIS_URL ?? config.DURABLE_REDIS_URL;
  const connect = (name: string): StreamsRedis => {
    const redis = connectStreams(url, name, logger);
    scope.defer(name, () => redis.disconnect());
    return redis;
  };
  const redis = connect("ingest");
  const streams = { keys: streamKeys("ingest"), partitions: config.INGEST_PARTITIONS };
  const { writer, readiness, close } = await openWriter(connect("ingest-writer"), {
    keys: streams.keys,
    settings: config,
    logger,
    metrics,
  });
  scope.defer("stream writer", close);
  const upkeep = startStreams({
    ...streams,
    redis: connect("ingest-upkeep"),
    isShared: config.EVENT_BUS === "redis" && url === config.DURABLE_REDIS_URL,
    retentionSeconds: config.INGEST_RETENTION_SECONDS,
    queued: () => writer.openEvents,
    secret: config.INTERNAL_SERVICE_SECRET,
    logger,
    metrics,
  });
  scope.defer("streams upkeep", () => upkeep.stop());
  const catalog = openCatalog({ ...streams, redis, registry: upkeep.registry, settings: config, logger });
  const figures = insightsStores({ ...streams, redis: connect("ingest-insights") });
  return { url, connect, redis, streams, writer, upkeep, catalog, figures, readiness };
}

export interface Taking {
  /** For the routes that take events, and tell how many were taken. */
  readonly routes: EventRoutes & ReadUsage;
  /** For the routes of its dead letters. */
  readonly bus: EventBus;
}

/** Begins to take events: those of the bus at once, those of tenants as soon as the routes are there. */
export async function openTaking(context: Context, store: EventStore, access: TenantAccess): Promise<Taking> {
  const { config, logger, metrics, scope } = context;
  const { writer } = store;
  const bus = scope.use("event bus", await openEventBus(config, { service: "ingest", logger, metrics }));
  await subscribeGroup(bus, { group: "ingest", maxBatch, lingerMs, consumers: consumers({ writer }) });
  return { routes: await composeRoutes(context, store, access), bus };
}

async function composeRoutes(
  { config, metrics, scope }: Context,
  { redis, streams, writer, upkeep }: EventStore,
  { eventLimiter }: TenantAccess,
): Promise<EventRoutes & ReadUsage> {
  const storeClock = new StoreClock({ time: () => redisTimeMs(redis) });
  const clock = await storeClock.start();
  scope.defer("clock", () => clock.stop());
  const now = () => storeClock.nowMs();
  const inFlight = new BytesInFlight(maxBytesInFlight);
  metrics.gauge("payflow_ingest_body_bytes", "Bytes of bodies under way.", [], (gauge) =>
    gauge.set(inFlight.bytes),
  );
  const usage = createAllowanceStore({ ...streams, redis, quietMs });
  return {
    writer,
    pressure: upkeep.pressure,
    durability: config.INGEST_DURABILITY,
    eventLimiter,
    inFlight,
    now,
    usage,
    allowance: createAllowance(usage, now),
    metrics: eventMetrics(metrics),
  };
}

/** Begins to bring events out: to the insights, and by every exporter that is set up. */
export async function startExporting(context: Context, store: EventStore): Promise<void> {
  const { config, logger, metrics, scope } = context;
  const { url, connect, streams, catalog, figures, upkeep } = store;
  const notifier = createInternalClient({
    service: "notifier",
    baseUrl: config.NOTIFIER_SERVICE_URL,
    secret: config.INTERNAL_SERVICE_SECRET,
  });
  const shared = { ...streams, notifier, settings: config, logger, metrics };
  const insights = await startInsights({ ...shared, ...figures, redis: connect("ingest-insights-group") });
  scope.defer("insights", () => insights.stop());
  const exporters = startExporters({
    ...shared,
    catalog,
    registry: upkeep.registry,
    connect: (name) => connectStreams(url, name, logger),
  });
  scope.defer("exporters", () => exporters.stop());
}
