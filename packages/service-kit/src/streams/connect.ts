import { Cluster, type Redis, type RedisOptions } from "ioredis";
import { connectRedis, orUnavailable, silentMs } from "../store/redis.ts";
import type { Logger } from "../telemetry/logging.ts";

/** The Redis that holds the event streams: one server, or a cluster. */
export type StreamsRedis = Redis | Cluster;

/**
 * Connects to one server, or, where the text names several by commas, to the cluster that they belong to.
 * Fails at once while Redis is away instead of keeping commands for later, and reconnects for ever.
 */
export function connectStreams(
  urls: string,
  name: string,
  logger: Logger,
  options: RedisOptions = {},
): StreamsRedis {
  const [first = "", ...others] = urls.split(",").map((url) => url.trim());
  if (others.length === 0) return connectRedis(first, name, logger, options);
  const { password, username, protocol } = new URL(first);
  const cluster = new Cluster([first, ...others], {
    enableOfflineQueue: false,
    slotsRefreshTimeout: 2_000,
    // By TLS a node is asked for by its name: its certificate is for that, and not for what address it has.
    ...(protocol === "rediss:" ? { dnsLookup: (name, callback) => callback(null, name) } : {}),
    clusterRetryStrategy: (attempt) => Math.min(50 * attempt, 500),
    redisOptions: {
      connectionName: name,
      disableClientInfo: true,
      connectTimeout: 2_000,
      socketTimeout: silentMs,
      ...(password === "" ? {} : { password: decodeURIComponent(password) }),
      ...(username === "" ? {} : { username: decodeURIComponent(username) }),
      ...(protocol === "rediss:" ? { tls: {} } : {}),
      ...options,
    },
  });
  let isReported = false;
  cluster.on("error", (error) => {
    if (!isReported) logger.warn({ err: error, connection: name }, "the Redis Cluster is away");
    isReported = true;
  });
  cluster.on("ready", () => {
    if (isReported) logger.info({ connection: name }, "the Redis Cluster is back");
    isReported = false;
  });
  return cluster;
}

/** Whether keys lie on several servers, so that one call can name those of one slot alone. */
export function isCluster(redis: StreamsRedis): redis is Cluster {
  return redis instanceof Cluster;
}

/** The streams' Redis being away is the caller's `unavailable`. */
export function orStreamsUnavailable<T>(run: () => Promise<T>): Promise<T> {
  return orUnavailable("The event store", run);
}
