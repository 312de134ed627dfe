import { apps } from "@payflow/contracts/events.ts";
import type { OpenTestBus } from "@payflow/testkit/bus/harness.ts";
import { openRedisStreams } from "../../src/bus/redis-streams.ts";
import { createLogger } from "../../src/telemetry/logging.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

/** The settings of the contract suite for Redis Streams: an address and the prefix of a space. */
export interface RedisSpace {
  readonly url: string;
  readonly prefix: string;
}

export const openBus: OpenTestBus = (settings, service) => {
  const { url, prefix }: RedisSpace = JSON.parse(settings);
  return openRedisStreams({
    url,
    prefix,
    service,
    installedApps: apps,
    logger: createLogger(service, process.env.LOG_LEVEL ?? "fatal"),
    metrics: new Metrics(service),
  });
};
