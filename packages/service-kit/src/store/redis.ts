import { unavailable } from "@payflow/contracts/errors.ts";
import { type Cluster, Redis, type RedisOptions } from "ioredis";
import type { Logger } from "../telemetry/logging.ts";

/**
 * A server whose machine is lost, or the network to it, stays silent instead of closing its connections. One
 * that leaves a command unanswered for so long is closed and made anew.
 */
export const silentMs = 10_000;

/**
 * A connection that fails at once while Redis is away instead of keeping commands for later: a command sent
 * after its caller gave up could overtake newer ones. It reconnects for ever, and connects when first used.
 */
export function connectRedis(url: string, name: string, logger: Logger, options: RedisOptions = {}): Redis {
  const redis = new Redis(url, {
    connectionName: name,
    disableClientInfo: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // Who subscribes does so at each connect, and hears whether it failed: ioredis lets that rejection go.
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    socketTimeout: silentMs,
    retryStrategy: (attempt) => Math.min(50 * attempt, 500),
    ...options,
  });
  let isReported = false;
  redis.on("error", (error) => {
    if (!isReported) logger.warn({ err: error, connection: name }, "Redis is away");
    isReported = true;
  });
  redis.on("ready", () => {
    if (isReported) logger.info({ connection: name }, "Redis is back");
    isReported = false;
  });
  return redis;
}

const awayMessages =
  /^(Connection is closed|Stream isn't writeable|Command timed out|Reached the max retries per request)/;
/** What ioredis says of a cluster, or of a part of one, that is away. */
const clusterAwayMessages =
  /^(Cluster isn't ready|Cluster is ended|Failed to refresh slots cache|None of startup nodes|Too many Cluster)/;
const awayReplies =
  /^(LOADING|OOM|MISCONF|READONLY|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|BUSY|TRYAGAIN|UNBLOCKED)\b/;

/** Whether Redis is away, is starting, is full or cannot write: nothing the command itself could mend. */
export function isRedisOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    error.name === "MaxRetriesPerRequestError" ||
    error.name === "AbortError" ||
    awayMessages.test(error.message) ||
    clusterAwayMessages.test(error.message) ||
    (error.name === "ReplyError" && awayReplies.test(error.message))
  );
}

/** Resolves once connected, or after a second: a Redis that is away delays no start. */
export function settled(redis: Redis | Cluster): Promise<void> {
  if (redis.status === "ready") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 1_000);
    redis.once("ready", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Redis being away is the caller's `unavailable`, which names what is kept there. */
export async function orUnavailable<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (isRedisOutage(error)) throw unavailable(what, 1, error);
    throw error;
  }
}

/** Redis's time in milliseconds since 1970. Throws while Redis is away. */
export async function redisTimeMs(redis: Redis | Cluster): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
}
