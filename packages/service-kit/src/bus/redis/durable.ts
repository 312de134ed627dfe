import type { Redis } from "ioredis";
import { ConfigError } from "../../process/config.ts";

const demanded = {
  appendonly: "yes",
  appendfsync: "always",
  // Else nothing is synced while a child of Redis's writes a file, whatever `appendfsync` says.
  "no-appendfsync-on-rewrite": "no",
  "maxmemory-policy": "noeviction",
} as const;

type Demanded = keyof typeof demanded;

/** What some of these settings are called where they may be read when `CONFIG` is forbidden. */
const told: Partial<
  Record<Demanded, { readonly pattern: RegExp; readonly value: (found: string) => string }>
> = {
  appendonly: { pattern: /^aof_enabled:(\d)/m, value: (found) => (found === "1" ? "yes" : "no") },
  "maxmemory-policy": { pattern: /^maxmemory_policy:([\w-]+)/m, value: (found) => found },
};

export interface DurableDemand {
  /** The setting that names this Redis. */
  readonly setting: string;
  /** What it must have; everything when left out. */
  readonly demands?: readonly Demanded[];
  /** The setting by which its owner vouches for what cannot be read, and whether that was done. */
  readonly vouching?: { readonly setting: string; readonly isDone: boolean };
}

/**
 * Throws `ConfigError`, naming each setting, unless this Redis keeps what it acknowledged: an eviction would
 * delete whole streams with their groups, and a later fsync loses acknowledged events with the power.
 */
export async function assertDurableRedis(
  redis: Redis,
  { setting, demands = allDemands, vouching }: DurableDemand = { setting: "DURABLE_REDIS_URL" },
): Promise<void> {
  const found = (await readSettings(redis, demands)) ?? (await readTold(redis, demands));
  const expected = demands.map((name) => `${name} ${demanded[name]}`);
  const problems: string[] = [];
  let isUnknown = false;
  for (const name of demands) {
    const value = found.get(name);
    if (value === undefined) isUnknown = true;
    else if (value !== demanded[name]) {
      problems.push(`${setting}: set ${name} to ${demanded[name]} on this Redis; it is ${value}`);
    }
  }
  if (isUnknown && vouching?.isDone !== true) {
    const remedy =
      vouching === undefined ? "" : ` Make sure of ${expected.join(", ")} and set ${vouching.setting}=true.`;
    problems.push(`${setting}: this Redis does not let its settings be read (CONFIG GET).${remedy}`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

// The keys of an object are its own names.
const allDemands = Object.keys(demanded) as Demanded[];

/** The settings; null where `CONFIG` is forbidden, as managed servers have it. */
async function readSettings(redis: Redis, names: readonly Demanded[]): Promise<Map<string, string> | null> {
  try {
    // CONFIG GET answers name, value, name, value.
    const pairs = (await redis.config("GET", ...names)) as string[];
    const found = new Map<string, string>();
    for (let at = 0; at + 1 < pairs.length; at += 2) found.set(pairs[at] ?? "", pairs[at + 1] ?? "");
    return found;
  } catch (error) {
    if (error instanceof Error && /^(NOPERM|ERR unknown command)/i.test(error.message)) return null;
    throw error;
  }
}

/** The settings that `INFO` tells too. */
async function readTold(redis: Redis, names: readonly Demanded[]): Promise<Map<string, string>> {
  const info = `${await redis.info("persistence")}\n${await redis.info("memory")}`;
  const found = new Map<string, string>();
  for (const name of names) {
    const value = told[name]?.pattern.exec(info)?.[1];
    if (value !== undefined) found.set(name, told[name]?.value(value) ?? value);
  }
  return found;
}

export interface RedisMemory {
  readonly usedBytes: number;
  /** 0 when Redis has no limit. */
  readonly maxBytes: number;
}

/** Memory in use and its limit, in bytes. */
export async function redisMemory(redis: Redis): Promise<RedisMemory> {
  const info = await redis.info("memory");
  const field = (name: string) => Number(info.match(new RegExp(`^${name}:(\\d+)`, "m"))?.[1] ?? 0);
  return { usedBytes: field("used_memory"), maxBytes: field("maxmemory") };
}
