import type { TenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { subscribeGroup } from "@payflow/service-kit/bus/consumers.ts";
import { openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import type { Scope } from "@payflow/service-kit/process/scope.ts";
import { StoreClock } from "@payflow/service-kit/store/store-clock.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { Static } from "@sinclair/typebox";
import type { ingestSettings } from "./config.ts";
import { consumers } from "./consumers.ts";
import { BytesInFlight } from "./events/bodies/bytes-in-flight.ts";
import type { EventRoutes } from "./events/events.routes.ts";
import { eventMetrics } from "./events/take-events.ts";
import { createAllowanceStore } from "./quotas/allowance.store.ts";
import { createAllowance } from "./quotas/allowance.ts";
import type { ReadUsage } from "./quotas/usage.ts";
import type { Pressure } from "./streams/pressure.ts";
import type { StreamWriter } from "./writer/writer.ts";

/** Bodies that a process has in its hands at most, in bytes. */
const maxBytesInFlight = 64 * 1024 * 1024;
/** A request that reserved events of an allowance is over after this long: its answer was due in 12 s. */
const quietMs = 30_000;

/** Events of the bus that are stored together, and how long a few wait for more: nobody waits for them. */
const maxBatch = 500;
const lingerMs = 100;

export interface TakingParts {
  readonly config: Static<typeof ingestSettings>;
  readonly access: TenantAccess;
  readonly writer: StreamWriter;
  readonly pressure: Pressure;
  /** For the counts of months; best not the writer's. */
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly scope: Scope;
}

export interface Taking {
  /** For the routes that take events, and tell how many were taken. */
  readonly routes: EventRoutes & ReadUsage;
  /** For the routes of its dead letters. */
  readonly bus: EventBus;
}

/** Begins to take events: those of the bus at once, those of tenants as soon as the routes are there. */
export async function openTaking(parts: TakingParts): Promise<Taking> {
  const { config, writer, logger, metrics, scope } = parts;
  const bus = scope.use("event bus", await openEventBus(config, { service: "ingest", logger, metrics }));
  await subscribeGroup(bus, { group: "ingest", maxBatch, lingerMs, consumers: consumers({ writer }) });
  return { routes: await composeRoutes(parts), bus };
}

async function composeRoutes(parts: TakingParts): Promise<EventRoutes & ReadUsage> {
  const { config, redis, keys, metrics, scope } = parts;
  const storeClock = new StoreClock({
    async time() {
      const [seconds, microseconds] = await redis.time();
      return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
    },
  });
  const clock = await storeClock.start();
  scope.defer("clock", () => clock.stop());
  const now = () => storeClock.nowMs();
  const inFlight = new BytesInFlight(maxBytesInFlight);
  metrics.gauge("payflow_ingest_body_bytes", "Bytes of bodies under way.", [], (gauge) =>
    gauge.set(inFlight.bytes),
  );
  const usage = createAllowanceStore({ redis, keys, quietMs, partitions: config.INGEST_PARTITIONS });
  return {
    ...{ inFlight, now, usage, allowance: createAllowance(usage, now) },
    ...{ writer: parts.writer, pressure: parts.pressure, durability: config.INGEST_DURABILITY },
    eventLimiter: parts.access.eventLimiter,
    metrics: eventMetrics(metrics),
  };
}
