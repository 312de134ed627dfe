import type { VerifiedKey } from "@payflow/contracts/internal-tenant.ts";
import {
  changesKey,
  entryKey,
  entryLifeMs,
  stateKey,
  usedKey,
} from "@payflow/service-kit/auth/cache-layout.ts";
import type { Redis } from "ioredis";
import type { Change } from "./change-log.store.ts";

/** Keys: state. Returns the time in milliseconds, the number published or -1, the tombstones, and the epoch. */
const read = `
  local time = redis.call('TIME')
  local state = redis.call('HMGET', KEYS[1], 'epoch', 'number')
  local size = redis.call('HLEN', KEYS[1])
  return {time[1] * 1000 + math.floor(time[2] / 1000), tonumber(state[2] or '-1'), size, state[1] or ''}`;

/** Keys: state, changes. Arguments: the epoch to end ('' for none), the new one, its first number. */
const begin = `
  local epoch = redis.call('HGET', KEYS[1], 'epoch') or ''
  if epoch ~= ARGV[1] then return 0 end
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'number', ARGV[3])
  return 1`;

/**
 * Keys: state, changes. Arguments: epoch, the moment before the table was read, 1 if that was all of it, then pairs of
 * number and subject. Skips what is published already and leaves no gap, so that any replica may publish at any time.
 */
const append = `
  if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return -1 end
  local number = tonumber(redis.call('HGET', KEYS[1], 'number'))
  for i = 4, #ARGV, 2 do
    local next = tonumber(ARGV[i])
    if next > number then
      if next ~= number + 1 then return -1 end
      redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, ARGV[i] .. '-0', 'subject', ARGV[i + 1])
      redis.call('HSET', KEYS[1], ARGV[i + 1], ARGV[i], 'number', ARGV[i])
      number = next
    end
  end
  if ARGV[3] == '1' then redis.call('HSET', KEYS[1], 'at', ARGV[2]) end
  return number`;

/**
 * Keys: state, entries. Arguments: the epoch known before the records were read, the entries' life in milliseconds, then
 * key, tenant, version and record of each. A tombstone or an entry of a higher version stands.
 */
const fill = `
  if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
  local filled = 0
  for i = 2, #KEYS do
    local at = 3 + (i - 2) * 4
    local floors = redis.call('HMGET', KEYS[1], ARGV[at], ARGV[at + 1])
    local floor = math.max(tonumber(floors[1] or '0'), tonumber(floors[2] or '0'))
    local known = redis.call('HMGET', KEYS[i], 'epoch', 'version')
    if known[1] == ARGV[1] then floor = math.max(floor, tonumber(known[2])) end
    if tonumber(ARGV[at + 2]) >= floor then
      redis.call('HSET', KEYS[i], 'epoch', ARGV[1], 'key', ARGV[at], 'tenant', ARGV[at + 1],
        'version', ARGV[at + 2], 'record', ARGV[at + 3])
      redis.call('PEXPIRE', KEYS[i], ARGV[2])
      filled = filled + 1
    end
  end
  return filled`;

/** Keys: used. Takes away up to a thousand marks and returns pairs of key id and milliseconds. */
const takeUsed = `
  local taken = redis.call('HRANDFIELD', KEYS[1], 1000, 'WITHVALUES')
  for i = 1, #taken, 2 do redis.call('HDEL', KEYS[1], taken[i]) end
  return taken`;

export interface PublishedState {
  /** Milliseconds of Redis's clock at the reading. */
  readonly nowMs: number;
  /** The latest change published; -1 where Redis holds nothing. */
  readonly number: number;
  readonly tombstones: number;
  /** '' where Redis holds nothing. */
  readonly epoch: string;
}

/** A key's record with the SHA-256, in hex, under which it is cached. */
export interface FilledKey {
  readonly keySha256: string;
  readonly record: VerifiedKey["record"];
}

interface ScriptedRedis extends Redis {
  tenantRead(keyCount: number, ...args: string[]): Promise<[number, number, number, string]>;
  tenantBegin(keyCount: number, ...args: (string | number)[]): Promise<number>;
  tenantAppend(keyCount: number, ...args: (string | number)[]): Promise<number>;
  tenantFill(keyCount: number, ...args: (string | number)[]): Promise<number>;
  tenantTakeUsed(keyCount: number, ...args: string[]): Promise<string[]>;
}

/** The writing side of the key cache, which is the tenant app's alone. `cache-layout.ts` says what stands where. */
export type PublishedStore = ReturnType<typeof createPublishedStore>;

export function createPublishedStore(connection: Redis) {
  const scripts = {
    tenantRead: read,
    tenantBegin: begin,
    tenantAppend: append,
    tenantFill: fill,
    tenantTakeUsed: takeUsed,
  };
  for (const [name, lua] of Object.entries(scripts)) connection.defineCommand(name, { lua });
  // defineCommand has just added the methods that the interface lists.
  const redis = connection as ScriptedRedis;
  return {
    async read(): Promise<PublishedState> {
      const [nowMs, number, tombstones, epoch] = await redis.tenantRead(1, stateKey);
      return { nowMs, number, tombstones, epoch };
    },

    /** Starts a new epoch at a number, if the present one is still `ended`: no older record counts any more. */
    async begin(ended: string, epoch: string, number: number): Promise<void> {
      await redis.tenantBegin(2, stateKey, changesKey, ended, epoch, number);
    },

    /** The number published afterwards; -1 when the epoch is over or changes before these are missing. */
    append(epoch: string, atMs: number, isAll: boolean, changes: readonly Change[]): Promise<number> {
      const pairs = changes.flatMap(({ number, subject }) => [number, subject]);
      return redis.tenantAppend(2, stateKey, changesKey, epoch, atMs, isAll ? 1 : 0, ...pairs);
    },

    /** Caches records read after `epoch` was known. */
    async fill(epoch: string, keys: readonly FilledKey[]): Promise<void> {
      if (keys.length === 0) return;
      const entries = keys.map(({ keySha256 }) => entryKey(keySha256));
      const values = keys.flatMap(({ record }) => [
        record.key_id,
        record.tenant_id,
        record.version,
        JSON.stringify(record),
      ]);
      await redis.tenantFill(entries.length + 1, stateKey, ...entries, epoch, entryLifeMs, ...values);
    },

    /** Takes the marks of use that services left: key id and milliseconds since 1970. */
    async takeUsed(): Promise<Map<string, number>> {
      const taken = await redis.tenantTakeUsed(1, usedKey);
      const used = new Map<string, number>();
      for (let index = 0; index + 1 < taken.length; index += 2) {
        used.set(taken[index] ?? "", Number(taken[index + 1]));
      }
      return used;
    },
  };
}
