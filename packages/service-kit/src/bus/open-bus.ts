import { ConfigError } from "../process/config.ts";
import type { Logger } from "../telemetry/logging.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { SpanKind, startSpan } from "../telemetry/tracing.ts";
import type { BatchTrace, EventBus } from "./bus.ts";
import { openRedisStreams } from "./redis-streams.ts";

/** The part of a service's settings that says where its bus is: `busSettings`. */
export interface BusConfig {
  readonly EVENT_BUS: "redis" | "kafka";
  readonly DURABLE_REDIS_URL: string;
  readonly INSTALLED_APPS: string;
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
    throw new ConfigError(["EVENT_BUS must be redis: this version has no adapter for Kafka"]);
  }
  const installedApps = config.INSTALLED_APPS.split(",").map((app) => app.trim());
  return openRedisStreams({ trace: traceBatch, ...about, url: config.DURABLE_REDIS_URL, installedApps });
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
