import { type Mode, modes } from "@payflow/contracts/access.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";

/**
 * Key: what a tenant has taken in a month. Arguments: the allowance, after how many milliseconds without a
 * change nothing can be reserved any more, the key's end in seconds since 1970, and for each wish the events
 * and the round in which they were reserved. Events below 0 are given back, unless a later round has
 * counted anew since; all others are reserved as a whole or not at all. Returns the round, and 1 or 0 for
 * each wish; or -1 and the number of changes where the events have to be counted anew first.
 */
const take = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local known = redis.call('HMGET', KEYS[1], 'taken', 'at', 'round', 'changes')
  local changes = tonumber(known[4] or '0')
  if not known[1] or now - tonumber(known[2]) >= tonumber(ARGV[2]) then return {-1, changes} end
  local taken, round, allowance = tonumber(known[1]), tonumber(known[3]), tonumber(ARGV[1])
  local reply = {round}
  local isChanged = false
  for i = 4, #ARGV, 2 do
    local events = tonumber(ARGV[i])
    local isBack = events < 0 and tonumber(ARGV[i + 1]) == round
    local isTaken = isBack or events >= 0 and taken + events <= allowance
    if isTaken then taken, isChanged = taken + events, true end
    reply[#reply + 1] = isTaken and 1 or 0
  end
  if isChanged then
    redis.call('HSET', KEYS[1], 'taken', taken, 'at', now, 'changes', changes + 1)
    redis.call('EXPIREAT', KEYS[1], ARGV[3])
  end
  return reply`;

/**
 * Key: as above. Arguments: the number of changes before the count, the events counted, the key's end.
 * Takes the count over and begins a round, unless something has changed since.
 */
const restart = `
  local known = redis.call('HMGET', KEYS[1], 'changes', 'round')
  if (known[1] or '0') ~= ARGV[1] then return 0 end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[1], 'taken', ARGV[2], 'at', now, 'changes', ARGV[1] + 1,
    'round', tonumber(known[2] or '0') + 1)
  redis.call('EXPIREAT', KEYS[1], ARGV[3])
  return 1`;

interface ScriptedRedis {
  takeAllowance(key: string, ...args: (string | number)[]): Promise<number[]>;
  restartAllowance(key: string, ...args: (string | number)[]): Promise<number>;
}

/** Events of one request: wanted, or below 0 given back to the round that they were taken in. */
export interface Wish {
  readonly events: number;
  readonly round: number;
}

export type Taken =
  | { readonly kind: "taken"; readonly round: number; readonly isTaken: readonly boolean[] }
  /** The count is missing, or so old that nothing is reserved any more, and may be wrong by what was. */
  | { readonly kind: "unknown"; readonly changes: number };

export interface AllowanceStore {
  take(tenantId: string, month: string, allowance: number, wishes: readonly Wish[]): Promise<Taken>;
  /** Takes over what was counted, unless something was taken or given back since `changes` was told. */
  restart(tenantId: string, month: string, changes: number, events: number): Promise<void>;
  /** The tenant's events stored in a month; those that the platform stores for it are none of them. */
  stored(tenantId: string, month: string): Promise<Record<Mode, number>>;
}

export interface AllowancePlace {
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
  /** A request that reserved this long ago is over. */
  readonly quietMs: number;
}

/** All that were stored, and the platform's own among them. */
const fieldsOf = (tenantId: string, mode: Mode) => [`${tenantId}/${mode}`, `${tenantId}/${mode}/platform`];

/** A month's counts are of use until the month is over, and a while longer for those who look back. */
const keptDays = 62;

/** What tenants have taken of their monthly allowances, in the Redis of the streams. */
export function createAllowanceStore({ redis, keys, partitions, quietMs }: AllowancePlace): AllowanceStore {
  redis.defineCommand("takeAllowance", { lua: take, numberOfKeys: 1 });
  redis.defineCommand("restartAllowance", { lua: restart, numberOfKeys: 1 });
  // defineCommand has just added the methods that the interface lists.
  const scripted = redis as unknown as ScriptedRedis;
  const end = (month: string) => Date.parse(`${month}-01T00:00:00Z`) / 1_000 + keptDays * 86_400;
  return {
    async take(tenantId, month, allowance, wishes) {
      const [round = -1, ...rest] = await scripted.takeAllowance(
        keys.allowance(tenantId, month),
        ...[allowance, quietMs, end(month)],
        ...wishes.flatMap((wish) => [wish.events, wish.round]),
      );
      if (round === -1) return { kind: "unknown", changes: rest[0] ?? 0 };
      return { kind: "taken", round, isTaken: rest.map((one) => one === 1) };
    },
    async restart(tenantId, month, changes, events) {
      await scripted.restartAllowance(keys.allowance(tenantId, month), changes, events, end(month));
    },
    async stored(tenantId, month) {
      const counts = await Promise.all(
        Array.from({ length: partitions }, (_, partition) =>
          redis.hmget(keys.usage(partition, month), ...modes.flatMap((mode) => fieldsOf(tenantId, mode))),
        ),
      );
      const sum = (index: number) => counts.reduce((total, one) => total + Number(one[index] ?? 0), 0);
      return { live: sum(0) - sum(1), test: sum(2) - sum(3) };
    },
  };
}
