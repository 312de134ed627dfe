import { changesKey, stateKey } from "@payflow/service-kit/auth/cache-layout.ts";
import type { Redis } from "ioredis";
import type { Change } from "./change-log.store.ts";

/**
 * Keys: state. Returns the time in milliseconds, the number published or -1, the tombstones, and the epoch.
 */
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
 * Keys: state, changes. Arguments: epoch, the moment before the table was read, 1 if that was all of it, then
 * pairs of number and subject. Skips what is published and leaves no gap, so that any replica may publish at
 * any time.
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

export interface PublishedState {
  /** Milliseconds of Redis's clock at the reading. */
  readonly nowMs: number;
  /** The latest change published; -1 where Redis holds nothing. */
  readonly number: number;
  readonly tombstones: number;
  /** '' where Redis holds nothing. */
  readonly epoch: string;
}

interface ScriptedRedis extends Redis {
  tenantRead(keyCount: number, ...args: string[]): Promise<[number, number, number, string]>;
  tenantBegin(keyCount: number, ...args: (string | number)[]): Promise<number>;
  tenantAppend(keyCount: number, ...args: (string | number)[]): Promise<number>;
}

/** What was published of the changes. `cache-layout.ts` of the kit says what stands where. */
export type PublishedStore = ReturnType<typeof createPublishedStore>;

/** What of the changes is in the cache Redis, in order and up to when. */
export function createPublishedStore(connection: Redis) {
  const scripts = { tenantRead: read, tenantBegin: begin, tenantAppend: append };
  for (const [name, lua] of Object.entries(scripts)) connection.defineCommand(name, { lua });
  // defineCommand has just added the methods that the interface lists.
  const redis = connection as ScriptedRedis;
  return {
    async read(): Promise<PublishedState> {
      const [nowMs, number, tombstones, epoch] = await redis.tenantRead(1, stateKey);
      return { nowMs, number, tombstones, epoch };
    },

    /**
     * Starts a new epoch at a number, if the present one is still `ended`: no older record counts any more.
     */
    async begin(ended: string, epoch: string, number: number): Promise<void> {
      await redis.tenantBegin(2, stateKey, changesKey, ended, epoch, number);
    },

    /** The number published afterwards; -1 when the epoch is over or changes before these are missing. */
    append(epoch: string, atMs: number, isAll: boolean, changes: readonly Change[]): Promise<number> {
      const pairs = changes.flatMap(({ number, subject }) => [number, subject]);
      return redis.tenantAppend(2, stateKey, changesKey, epoch, atMs, isAll ? 1 : 0, ...pairs);
    },
  };
}
