import type { Redis } from "ioredis";
import { ConfigError } from "../../process/config.ts";

const demanded = {
  appendonly: "yes",
  appendfsync: "always",
  "maxmemory-policy": "noeviction",
} as const;

/**
 * Throws `ConfigError`, naming each setting, unless this Redis keeps what it acknowledged: an eviction would
 * delete whole streams with their groups, and a later fsync loses acknowledged events with the power.
 */
export async function assertDurableRedis(redis: Redis): Promise<void> {
  const reply = await redis.config("GET", ...Object.keys(demanded));
  // CONFIG GET answers name, value, name, value.
  const pairs = reply as string[];
  const problems: string[] = [];
  for (const [name, expected] of Object.entries(demanded)) {
    const at = pairs.indexOf(name);
    const found = at === -1 ? "unknown" : pairs[at + 1];
    if (found !== expected) {
      problems.push(`DURABLE_REDIS_URL: set ${name} to ${expected} on the durable Redis; it is ${found}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
}
