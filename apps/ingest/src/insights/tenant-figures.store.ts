import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";

/** What is stored of an owner, which is a tenant in one mode. */
export interface StoredFigures {
  /** Grows with each change; a change is refused where another came before it. */
  readonly version: string;
  /**
   * The last minute since 1970 that is part of the figures and that the health was judged by; -1 at first.
   */
  readonly at: number;
  readonly health: string;
  /** The records that were asked for, by their fields; those that are not there are left out. */
  readonly records: ReadonlyMap<string, string>;
}

export interface FiguresChange {
  readonly at: number;
  readonly health: string;
  readonly records: ReadonlyMap<string, string>;
}

export type TenantFigures = ReturnType<typeof tenantFigures>;

/** Longer than any record is read; an owner in trouble is kept until it is out of it. */
const keptMs = 50 * 3_600_000;

/**
 * Keys: an owner's hash. Arguments: the version read, how long it is kept in ms, the health, other fields.
 */
const change = `#!lua flags=allow-oom
  local version = redis.call('HGET', KEYS[1], 'version') or '0'
  if version ~= ARGV[1] then return 0 end
  redis.call('HSET', KEYS[1], 'version', version + 1, 'health', ARGV[3], unpack(ARGV, 4))
  if ARGV[3] == '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) else redis.call('PERSIST', KEYS[1]) end
  return 1`;

/** Keys: the first minute not rolled. Returns it, -1 at first, and Redis's time in ms. */
const rolled = `#!lua flags=no-writes
  local time = redis.call('TIME')
  return {redis.call('GET', KEYS[1]) or '-1', time[1] * 1000 + math.floor(time[2] / 1000)}`;

/** Keys: the same. Arguments: a minute. It only grows. */
const advance = `#!lua flags=allow-oom
  local minute = tonumber(redis.call('GET', KEYS[1]) or '-1')
  if minute < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end
  return 1`;

/** Keys: the watched. Arguments: owner, minute. One that was watched anew since stays. */
const unwatch = `#!lua flags=allow-oom
  local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
  if score and tonumber(score) <= tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
  return 1`;

interface FigureScripts {
  insightsChange(keyCount: 1, ...args: (string | number)[]): Promise<number>;
  insightsRolled(keyCount: 1, key: string): Promise<[minute: string, nowMs: number]>;
  insightsAdvance(keyCount: 1, key: string, minute: number): Promise<number>;
  insightsUnwatch(keyCount: 1, key: string, owner: string, minute: number): Promise<number>;
}

/** The tenants' figures over all partitions, each tenant's in its own slot. */
export function tenantFigures(given: StreamsRedis, keys: StreamKeys) {
  const scripts = { change, rolled, advance, unwatch };
  for (const [name, lua] of Object.entries(scripts)) {
    given.defineCommand(`insights${name.slice(0, 1).toUpperCase()}${name.slice(1)}`, { lua });
  }
  // defineCommand has added the methods that the interface lists.
  const redis = given as StreamsRedis & FigureScripts;
  const keyOf = (owner: string) => {
    const [tenantId = "", mode = ""] = owner.split("/");
    return keys.insights(tenantId, mode);
  };

  return {
    async read(owner: string, fields: readonly string[]): Promise<StoredFigures> {
      const [version, at, health, ...texts] = await redis.hmget(
        keyOf(owner),
        ...["version", "at", "health"],
        ...fields,
      );
      const found = fields.map((field, index) => [field, texts[index] ?? ""] as const);
      return {
        version: version ?? "0",
        at: Number(at ?? -1),
        health: health ?? "",
        records: new Map(found.filter(([, text]) => text !== "")),
      };
    },

    /** Changes an owner's figures and health as one step; false where they changed since they were read. */
    async change(owner: string, version: string, { at, health, records }: FiguresChange): Promise<boolean> {
      const fields = ["at", at, ...[...records].flat()];
      return (await redis.insightsChange(1, keyOf(owner), version, keptMs, health, ...fields)) === 1;
    },

    /** The first minute that is not part of the figures yet, -1 at first; and Redis's time. */
    async rolled(): Promise<{ readonly minute: number; readonly nowMs: number }> {
      const [minute, nowMs] = await redis.insightsRolled(1, keys.insightsRolled());
      return { minute: Number(minute), nowMs };
    },

    /** Tells that everything before this minute is part of the figures. */
    async advance(minute: number): Promise<void> {
      await redis.insightsAdvance(1, keys.insightsRolled(), minute);
    },

    /**
     * The owners with something to remember: they are judged each minute, whether or not anything arrives.
     */
    watched: (): Promise<string[]> => redis.zrange(keys.insightsWatched(), 0, -1),

    /** Before an owner's health is stored that is not well: so none is ever forgotten. */
    async watch(owner: string, minute: number): Promise<void> {
      await redis.zadd(keys.insightsWatched(), "GT", minute, owner);
    },

    /** After an owner's health of that minute was stored as well. */
    async unwatch(owner: string, minute: number): Promise<void> {
      await redis.insightsUnwatch(1, keys.insightsWatched(), owner, minute);
    },
  };
}
