import { ConfigError } from "@payflow/service-kit/process/config.ts";
import type { ReadinessCheck } from "@payflow/service-kit/process/health.ts";
import { connectRedis } from "@payflow/service-kit/store/redis.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { Static } from "@sinclair/typebox";
import type { ingestSettings } from "../config.ts";
import { StreamsLink } from "./link/streams-link.ts";
import { MerchantsStore } from "./merchants.store.ts";
import { startForgetting } from "./remembered/forgetting.ts";
import { appendScripts, StreamWriter, usualSliceMs } from "./writer.ts";

export interface OpenWriter {
  readonly writer: StreamWriter;
  /** The streams' Redis answers, and was found fit. */
  readonly readiness: ReadinessCheck;
  /** Stores what was taken, then ends. */
  close(): Promise<void>;
}

/** How long a start waits for a Redis that is away before it goes on without it. */
const openWaitMs = 3_000;

/**
 * The writer of the streams on this connection, which is the writer's own. Throws `ConfigError` when the
 * Redis is not what the durability demands, or holds streams of another plan; a Redis that is away does not
 * keep the process from starting: it is not ready then, and takes no event before Redis was found fit.
 */
export async function openWriter(
  redis: StreamsRedis,
  about: {
    readonly keys: StreamKeys;
    readonly settings: Static<typeof ingestSettings>;
    readonly logger: Logger;
    readonly metrics: Metrics;
  },
): Promise<OpenWriter> {
  const { keys, settings, logger, metrics } = about;
  const { INGEST_DURABILITY: durability, INGEST_PARTITIONS: partitions } = settings;
  const isShared = settings.INGEST_REDIS_URL === undefined;
  const mustBeAlone = durability === "memory" && settings.EVENT_BUS === "redis";
  if (mustBeAlone && isShared) {
    throw new ConfigError([
      "INGEST_DURABILITY=memory needs a Redis of its own: name it by INGEST_REDIS_URL, " +
        "since EVENT_BUS=redis keeps payments' events on DURABLE_REDIS_URL",
    ]);
  }
  const bus = mustBeAlone ? connectRedis(settings.DURABLE_REDIS_URL, "ingest-bus-check", logger) : null;
  const setting = isShared ? "DURABLE_REDIS_URL" : "INGEST_REDIS_URL";
  const fitness = { durability, setting, isVouchedFor: settings.INGEST_REDIS_VOUCHED, bus };
  const link = new StreamsLink({ redis, keys, partitions, fitness, scripts: appendScripts, logger });
  const merchants = new MerchantsStore(redis, keys, settings.INGEST_MAX_MERCHANTS);
  const writer = new StreamWriter({ link, keys, partitions, merchants, metrics });
  const forgetting = startForgetting({ redis, keys, partitions, sliceMs: usualSliceMs, logger });
  const close = async () => {
    await writer.close();
    await forgetting.stop();
    await link.close();
    bus?.disconnect();
  };
  try {
    await link.settle(openWaitMs);
  } catch (error) {
    await close();
    throw error;
  }
  return { writer, readiness: { name: "durable_redis", check: () => link.assertReady() }, close };
}
