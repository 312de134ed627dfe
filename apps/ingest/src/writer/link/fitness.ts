import { assertDurableRedis } from "@payflow/service-kit/bus/redis/durable.ts";
import { ConfigError } from "@payflow/service-kit/process/config.ts";
import { isRedisOutage } from "@payflow/service-kit/store/redis.ts";
import type { Redis } from "ioredis";

/** What the Redis of the streams must be, by the chosen durability. */
export interface Fitness {
  readonly durability: "fsync" | "memory";
  /** The setting that names this Redis. */
  readonly setting: string;
  /** Whether the owner vouches for settings that this Redis does not show. */
  readonly isVouchedFor: boolean;
  /** The bus's Redis, where the bus is on one and must not share this one. */
  readonly bus: Redis | null;
}

/**
 * Throws `ConfigError` unless this server may hold the streams. In `memory` mode it may only not evict, and
 * it must not carry the bus: a bus that forgets a second would lose payments' events.
 */
export async function assertFit(
  node: Redis,
  { durability, setting, isVouchedFor, bus }: Fitness,
): Promise<void> {
  await assertDurableRedis(node, {
    setting,
    ...(durability === "memory" ? { demands: ["maxmemory-policy"] as const } : {}),
    vouching: { setting: "INGEST_REDIS_VOUCHED", isDone: isVouchedFor },
  });
  if (durability === "memory" && bus !== null && (await isSameServer(node, bus))) {
    throw new ConfigError([
      "INGEST_DURABILITY=memory needs a Redis of its own: INGEST_REDIS_URL and DURABLE_REDIS_URL are one " +
        "server, and EVENT_BUS=redis keeps payments' events there",
    ]);
  }
}

async function isSameServer(one: Redis, other: Redis): Promise<boolean> {
  try {
    return (await runId(one)) === (await runId(other));
  } catch (error) {
    // One that is away is another than the one that has just answered.
    if (isRedisOutage(error)) return false;
    throw error;
  }
}

async function runId(redis: Redis): Promise<string | undefined> {
  return /^run_id:(\w+)/m.exec(await redis.info("server"))?.[1];
}
