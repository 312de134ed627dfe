import type { KeyRecord } from "@payflow/contracts/internal-tenant.ts";
import type { Redis } from "ioredis";
import { changesKey, entryKey, stateKey, usedKey } from "./cache-layout.ts";

/**
 * Keys: state, entries. Returns the time, the number published, and each entry's record where it is not
 * outdated.
 */
const readEntries = `
  local time = redis.call('TIME')
  local state = redis.call('HMGET', KEYS[1], 'epoch', 'number')
  local reply = {time[1] * 1000 + math.floor(time[2] / 1000), tonumber(state[2] or '-1')}
  for i = 2, #KEYS do
    reply[i + 1] = false
    local entry = redis.call('HMGET', KEYS[i], 'epoch', 'key', 'tenant', 'version', 'record')
    if entry[1] and entry[1] == state[1] then
      local floors = redis.call('HMGET', KEYS[1], entry[2], entry[3])
      local floor = math.max(tonumber(floors[1] or '0'), tonumber(floors[2] or '0'))
      if tonumber(entry[4]) >= floor then reply[i + 1] = entry[5] end
    end
  end
  return reply`;

/**
 * Keys: state, changes. Arguments: the number seen, or -1. Returns time, number, at, and the changes after
 * it.
 */
const pollChanges = `
  local time = redis.call('TIME')
  local state = redis.call('HMGET', KEYS[1], 'number', 'at')
  local number = tonumber(state[1] or '-1')
  local reply = {time[1] * 1000 + math.floor(time[2] / 1000), number, tonumber(state[2] or '-1')}
  local seen = tonumber(ARGV[1])
  if seen >= 0 and number > seen then
    local from = string.format('(%d-0', seen)
    for _, entry in ipairs(redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', 1000)) do
      reply[#reply + 1] = entry[1]
      reply[#reply + 1] = entry[2][2]
    end
  end
  return reply`;

/**
 * Keys: used. Arguments: ids of keys. Marks them as used at this moment of Redis's clock, in milliseconds.
 */
const markUsed = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  for _, id in ipairs(ARGV) do redis.call('HSET', KEYS[1], id, now) end
  return #ARGV`;

export interface CachedKeys {
  /** Milliseconds of Redis's clock at the reading. */
  readonly nowMs: number;
  /** The latest change that was published before the reading; -1 where Redis has lost it. */
  readonly number: number;
  readonly records: readonly (KeyRecord | null)[];
}

export interface PolledChanges {
  readonly nowMs: number;
  readonly number: number;
  /** All changes committed before this moment of Redis's clock were published; -1 where that is not known. */
  readonly atMs: number;
  readonly changes: readonly { readonly number: number; readonly subject: string }[];
}

/**
 * What a service reads from the cache Redis to know keys, and the one thing it writes: which keys were used.
 */
export interface KeyCache {
  read(keys: readonly string[]): Promise<CachedKeys>;
  poll(seen: number): Promise<PolledChanges>;
  markUsed(keyIds: readonly string[]): Promise<void>;
}

interface ScriptedRedis extends Redis {
  authReadEntries(keyCount: number, ...args: string[]): Promise<[number, number, ...(string | null)[]]>;
  authPollChanges(keyCount: number, ...args: string[]): Promise<[number, number, number, ...string[]]>;
  authMarkUsed(keyCount: number, ...args: string[]): Promise<number>;
}

/** The reading side of the key cache on a connection of the caller's. */
export function createKeyCache(connection: Redis): KeyCache {
  connection.defineCommand("authReadEntries", { lua: readEntries });
  connection.defineCommand("authPollChanges", { lua: pollChanges });
  connection.defineCommand("authMarkUsed", { lua: markUsed });
  // defineCommand has just added the methods that the interface lists.
  const redis = connection as ScriptedRedis;
  return {
    async read(keys) {
      const reply = await redis.authReadEntries(keys.length + 1, stateKey, ...keys.map(entryKey));
      const [nowMs, number, ...texts] = reply;
      // Nobody but the tenant app writes entries, and it writes nothing but records.
      const records = texts.map((text) => (text === null ? null : (JSON.parse(text) as KeyRecord)));
      return { nowMs, number, records };
    },
    async poll(seen) {
      const [nowMs, number, atMs, ...rest] = await redis.authPollChanges(
        2,
        stateKey,
        changesKey,
        String(seen),
      );
      const changes: { number: number; subject: string }[] = [];
      for (let index = 0; index + 1 < rest.length; index += 2) {
        changes.push({ number: Number.parseInt(rest[index] ?? "", 10), subject: rest[index + 1] ?? "" });
      }
      return { nowMs, number, atMs, changes };
    },
    async markUsed(keyIds) {
      if (keyIds.length > 0) await redis.authMarkUsed(1, usedKey, ...keyIds);
    },
  };
}
