import { redisTimeMs } from "@payflow/service-kit/store/redis.ts";
import { fieldFunction, orderFunctions } from "@payflow/service-kit/store/redis-lua.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import { letterMember } from "@payflow/service-kit/streams/dead-letters.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import { monthOf } from "../../quotas/month.ts";

/**
 * Keys: stream. Arguments: entries removed at most, ms for which entries are kept although all have read
 * them, then for each registered group its name and the last entry that waits for it, or nothing where all
 * do. Removes what every such group has acknowledged; returns how many entries, then the draining groups that
 * have read all that waits for them, by their places from 1.
 */
const trimScript = `#!lua flags=allow-oom
  ${fieldFunction}
  ${orderFunctions}
  local function after(id)
    local ms, number = string.match(id, '^(%d+)-(%d+)$')
    return ms .. '-' .. string.format('%d', number + 1)
  end
  local about = redis.pcall('XINFO', 'STREAM', KEYS[1])
  if about.err then return {0} end
  local known = {}
  for _, one in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do known[field(one, 'name')] = one end
  local first = after(field(about, 'last-generated-id'))
  local drained = {}
  for i = 3, #ARGV, 2 do
    local one, last = known[ARGV[i]], ARGV[i + 1]
    local wanted = '0-0'
    if one then
      wanted = after(field(one, 'last-delivered-id'))
      if field(one, 'pending') > 0 then wanted = redis.call('XPENDING', KEYS[1], ARGV[i])[2] end
    end
    if last ~= '' and before(last, wanted) then drained[#drained + 1] = (i - 1) / 2
    elseif before(wanted, first) then first = wanted end
  end
  local time = redis.call('TIME')
  local kept = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[2])
  local cut = string.format('%d-0', math.max(kept, 0))
  if tonumber(ARGV[2]) == 0 or before(first, cut) then cut = first end
  local removed = redis.call('XTRIM', KEYS[1], 'MINID', '~', cut, 'LIMIT', ARGV[1])
  table.insert(drained, 1, removed)
  return drained`;

/**
 * Keys: dead letters. Arguments: ms for which they are kept, how many are looked at. Returns those that are
 * too old: id, tenant, mode of each.
 */
const oldLettersScript = `
  ${fieldFunction}
  local time = redis.call('TIME')
  local ends = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[1])
  local found = redis.call('XRANGE', KEYS[1], '-', string.format('(%d-0', ends), 'COUNT', ARGV[2])
  local reply = {}
  for _, one in ipairs(found) do
    for _, value in ipairs({one[1], field(one[2], 'tenant'), field(one[2], 'mode')}) do
      reply[#reply + 1] = value
    end
  end
  return reply`;

interface TrimScripts {
  streamsTrim(keyCount: number, key: string, ...args: (string | number)[]): Promise<number[]>;
  streamsOldLetters(keyCount: number, key: string, ...args: number[]): Promise<string[]>;
}

export interface WaitedFor {
  readonly group: string;
  /** The last entry that waits for it; null where all do. */
  readonly until: string | null;
}

export interface Trimmed {
  readonly removed: number;
  /** Groups that have read all that waits for them. */
  readonly drained: readonly string[];
}

export type UpkeepStore = ReturnType<typeof createUpkeepStore>;

/** What upkeep asks and changes; each call that removes anything removes a bounded number. */
export function createUpkeepStore(redis: StreamsRedis, keys: StreamKeys) {
  redis.defineCommand("streamsTrim", { lua: trimScript });
  redis.defineCommand("streamsOldLetters", { lua: oldLettersScript });
  // defineCommand adds the methods that the interface lists.
  const scripted = redis as StreamsRedis & TrimScripts;
  return {
    /** Entries that every group has acknowledged are kept for `keptMs` from their arrival; 0 keeps none. */
    async trim(
      partition: number,
      groups: readonly WaitedFor[],
      keptMs: number,
      limit: number,
    ): Promise<Trimmed> {
      const waited = groups.flatMap(({ group, until }) => [group, until ?? ""]);
      const [removed = 0, ...drained] = await scripted.streamsTrim(
        ...([1, keys.events(partition), limit, keptMs, ...waited] as const),
      );
      return { removed, drained: drained.map((place) => groups[place - 1]?.group ?? "") };
    },

    /** Removes dead letters older than `keptMs`; returns how many. */
    async trimLetters(partition: number, keptMs: number, limit: number): Promise<number> {
      const old = await scripted.streamsOldLetters(1, keys.dead(partition), keptMs, limit);
      const ids: string[] = [];
      for (let at = 0; at + 2 < old.length; at += 3) {
        const [id = "", tenantId = "", mode = ""] = old.slice(at, at + 3);
        await redis.zrem(keys.deadOf(partition, tenantId, mode), letterMember(id));
        ids.push(id);
      }
      return ids.length === 0 ? 0 : redis.xdel(keys.dead(partition), ...ids);
    },

    /** The tenants of which as much is parked as may be, over all exporters. */
    async fullParkings(): Promise<ReadonlySet<string>> {
      return new Set(await redis.smembers(keys.fullParkings()));
    },

    /**
     * Remembers the month in which the streams were first used, where none is known: by Redis's clock, as
     * events are counted by it.
     */
    async noteFirstMonth(): Promise<void> {
      await redis.hsetnx(keys.plan(), "first_month", monthOf(await redisTimeMs(redis)));
    },

    /**
     * Whether this process does the upkeep that one is enough for, until `leaseMs` from now. It needs no
     * fence: done twice it does no harm.
     */
    async isMine(holder: string, leaseMs: number): Promise<boolean> {
      const taken = await redis.set(keys.upkeep(), holder, "PX", leaseMs, "NX");
      if (taken === "OK") return true;
      if ((await redis.get(keys.upkeep())) !== holder) return false;
      await redis.pexpire(keys.upkeep(), leaseMs);
      return true;
    },
  };
}
