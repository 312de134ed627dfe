import type { KeyRecord } from "@payflow/contracts/internal-tenant.ts";
import { entryKey, entryLifeMs, stateKey, usedKey } from "@payflow/service-kit/auth/cache-layout.ts";
import type { Redis } from "ioredis";

/**
 * Keys: state, entries. Arguments: the epoch known before the records were read, the entries' life in
 * milliseconds, then key, tenant, version and record of each. A tombstone or an entry of a higher version
 * stands.
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

/** A key's record with the SHA-256, in hex, under which it is cached. */
export interface CachedKey {
  readonly keySha256: string;
  readonly record: KeyRecord;
}

interface ScriptedRedis extends Redis {
  tenantFill(keyCount: number, ...args: (string | number)[]): Promise<number>;
  tenantTakeUsed(keyCount: number, ...args: string[]): Promise<string[]>;
}

/**
 * The entries of the key cache, which the tenant app alone writes. The kit's `cache-layout.ts` says what
 * stands where.
 */
export type KeyCacheStore = ReturnType<typeof createKeyCacheStore>;

/** The key cache in the cache Redis, which only the tenant app writes. */
export function createKeyCacheStore(connection: Redis) {
  connection.defineCommand("tenantFill", { lua: fill });
  connection.defineCommand("tenantTakeUsed", { lua: takeUsed });
  // defineCommand has just added the methods that the interface lists.
  const redis = connection as ScriptedRedis;
  return {
    /** Caches records read after `epoch` was known. */
    async fill(epoch: string, keys: readonly CachedKey[]): Promise<void> {
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
