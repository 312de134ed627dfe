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

/** The share of its memory that a server uses, of a cluster's masters the fullest. */
export async function memoryShare(redis: Redis | Cluster): Promise<number> {
  const memories = await memoryOfServers(redis);
  return Math.max(
    ...memories.map((memory) => (limitOf(memory) > 0 ? memory.usedBytes / limitOf(memory) : 0)),
  );
}

/** What a server may hold, or a cluster's masters together. */
export async function memoryLimitBytes(redis: Redis | Cluster): Promise<number> {
  return (await memoryOfServers(redis)).reduce((sum, memory) => sum + limitOf(memory), 0);
}

async function memoryOfServers(redis: Redis | Cluster): Promise<RedisMemory[]> {
  const servers = redis instanceof Cluster ? redis.nodes("master") : [redis];
  if (servers.length === 0) throw new Error("Connection is closed.");
  return Promise.all(servers.map(redisMemory));
}

/** A server without a limit may take half of its machine's memory. */
function limitOf({ maxBytes, systemBytes }: RedisMemory): number {
  return maxBytes > 0 ? maxBytes : systemBytes / 2;
}
