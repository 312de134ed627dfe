import { ConfigError } from "../process/config.ts";
import type { Logger } from "../telemetry/logging.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { SpanKind, startSpan } from "../telemetry/tracing.ts";
import type { BatchTrace, EventBus } from "./bus.ts";
import type { KafkaSettings } from "./kafka.ts";
import { openRedisStreams } from "./redis-streams.ts";

/** The part of a service's settings that says where its bus is: `busSettings`. */
export type BusConfig = RedisConfig | KafkaConfig;

interface RedisConfig {
  readonly EVENT_BUS: "redis";
  readonly DURABLE_REDIS_URL?: string | undefined;
  readonly INSTALLED_APPS: string;
}

interface KafkaConfig extends KafkaSettings {
  readonly EVENT_BUS: "kafka";
}

export interface OpenBus {
  readonly service: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly trace?: BatchTrace;
}

/**
 * The bus that the settings name. Throws `ConfigError` when it is not fit to keep events; a broker away is no
 * error.
 */
export async function openEventBus(config: BusConfig, about: OpenBus): Promise<EventBus> {
  if (config.EVENT_BUS === "kafka") {
    // Loaded only here: the client takes 50 MB and most of a service's start.
    const { openKafka } = await import("./kafka.ts");
    return openKafka({ trace: traceBatch, ...about, settings: config });
  }
  const { DURABLE_REDIS_URL: url } = config;
  if (url === undefined) throw new ConfigError(["DURABLE_REDIS_URL is missing: it carries the bus"]);
  const installedApps = config.INSTALLED_APPS.split(",").map((app) => app.trim());
  return openRedisStreams({ trace: traceBatch, ...about, url, installedApps });
}

/** One consumer span a batch, in the trace of its first event and linked to those of the others. */
const traceBatch: BatchTrace = async ({ group, topic, events }, run) => {
  const [first, ...others] = events.map((event) => event.traceparent);
  const span = startSpan(`process ${topic}`, SpanKind.CONSUMER, first, others);
  const attributes = {
    "messaging.destination.name": topic,
    "messaging.consumer.group.name": group,
    "messaging.batch.message_count": events.length,
  };
  try {
    await run();
    span.end(undefined, attributes);
  } catch (error) {
    span.end(undefined, attributes, true);
    throw error;
  }
};
