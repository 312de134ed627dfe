import { Cluster, type Redis } from "ioredis";

export interface RedisMemory {
  readonly usedBytes: number;
  /** 0 when Redis has no limit. */
  readonly maxBytes: number;
  /** What the machine has. */
  readonly systemBytes: number;
}

/** Memory in use and its limit, in bytes. */
export async function redisMemory(redis: Redis): Promise<RedisMemory> {
  const info = await redis.info("memory");
  const field = (name: string) => Number(info.match(new RegExp(`^${name}:(\\d+)`, "m"))?.[1] ?? 0);
  return {
    usedBytes: field("used_memory"),
    maxBytes: field("maxmemory"),
    systemBytes: field("total_system_memory"),
  };
}

/**
 * The share of its memory that a server uses, of a cluster's masters the fullest. One without a limit may
 * take half of its machine's.
 */
export async function memoryShare(redis: Redis | Cluster): Promise<number> {
  const servers = redis instanceof Cluster ? redis.nodes("master") : [redis];
  if (servers.length === 0) throw new Error("Connection is closed.");
  const memories = await Promise.all(servers.map(redisMemory));
  return Math.max(
    ...memories.map(({ usedBytes, maxBytes, systemBytes }) => {
      const limit = maxBytes > 0 ? maxBytes : systemBytes / 2;
      return limit > 0 ? usedBytes / limit : 0;
    }),
  );
}
