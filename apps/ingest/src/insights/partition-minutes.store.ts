import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";

/** Owners are `tenant/mode`, minutes are those since 1970, texts are those of records. */
export type PartitionMinutes = ReturnType<typeof partitionMinutes>;

/** A minute is kept so long after it came into the tenants' figures, for readers that asked just before. */
const retiredMs = 120_000;

/**
 * Up to which moment, in milliseconds and without that one, everything that arrived is counted: the present
 * where no entry waits, otherwise the arrival of the first that does.
 */
const countedUntil = `
  local function countedUntil(stream, group)
    local position = '0-0'
    local groups = redis.pcall('XINFO', 'GROUPS', stream)
    for _, one in ipairs(groups.err and {} or groups) do
      local about = {}
      for i = 1, #one, 2 do about[one[i]] = one[i + 1] end
      if about.name == group then position = about['last-delivered-id'] end
    end
    local waiting = groups.err and {} or redis.call('XRANGE', stream, '(' .. position, '+', 'COUNT', 1)
    if waiting[1] then return tonumber(string.match(waiting[1][1], '^%d+')) end
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
  end`;

/** Keys: stream, minutes. Arguments: group, owner. Returns until when is counted, then the owner's texts. */
const live = `#!lua flags=no-writes
  ${countedUntil}
  local reply = {countedUntil(KEYS[1], ARGV[1])}
  for key = 2, #KEYS do reply[key] = redis.call('HGET', KEYS[key], ARGV[2]) or '' end
  return reply`;

/** Keys: minutes. Returns the owners of each. */
const owners = `#!lua flags=no-writes
  local reply = {}
  for index, key in ipairs(KEYS) do reply[index] = redis.call('HKEYS', key) end
  return reply`;

interface MinuteScripts {
  insightsLive(keyCount: number, ...args: (string | number)[]): Promise<[number, ...string[]]>;
  insightsOwners(keyCount: number, ...keys: string[]): Promise<string[][]>;
}

/** What all partitions have counted and nobody has brought into the tenants' figures yet, for reading. */
export function partitionMinutes(given: StreamsRedis, keys: StreamKeys, partitions: number, group: string) {
  given.defineCommand("insightsLive", { lua: live });
  given.defineCommand("insightsOwners", { lua: owners });
  // defineCommand has added the methods that the interface lists.
  const redis = given as StreamsRedis & MinuteScripts;
  const numbers = Array.from({ length: partitions }, (_, partition) => partition);
  const everywhere = <T>(run: (partition: number) => Promise<T>) => Promise.all(numbers.map(run));

  return {
    /**
     * Up to which moment all partitions have counted everything, in ms without that one, by Redis's clock.
     */
    async countedUntilMs(): Promise<number> {
      const times = await everywhere((partition) => redis.insightsLive(1, keys.events(partition), group, ""));
      return Math.min(...times.map(([time]) => time));
    },

    /** An owner's texts of some minutes in all partitions, and up to when these have counted everything. */
    async live(
      owner: string,
      minutes: readonly number[],
    ): Promise<{ readonly countedUntilMs: number; readonly texts: readonly string[] }> {
      const replies = await everywhere((partition) => {
        const names = minutes.map((minute) => keys.insightsMinute(partition, minute));
        return redis.insightsLive(1 + names.length, keys.events(partition), ...names, group, owner);
      });
      return {
        countedUntilMs: Math.min(...replies.map(([time]) => time)),
        texts: replies.flatMap(([, ...texts]) => texts.filter((text) => text !== "")),
      };
    },

    /** The owners for whom something arrived in each of these minutes. */
    async owners(minutes: readonly number[]): Promise<readonly ReadonlySet<string>[]> {
      const found = await everywhere((partition) => {
        const names = minutes.map((minute) => keys.insightsMinute(partition, minute));
        return redis.insightsOwners(names.length, ...names);
      });
      return minutes.map((_, index) => new Set(found.flatMap((lists) => lists[index] ?? [])));
    },

    /** The texts of a minute by owner, in the order of the partitions. */
    async minute(minute: number, wanted: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
      const found = await everywhere((partition) =>
        redis.hmget(keys.insightsMinute(partition, minute), ...wanted),
      );
      return new Map(
        wanted.map((owner, index) => [owner, found.flatMap((texts) => texts[index] ?? [])] as const),
      );
    },

    /** Lets go of a minute that is part of the tenants' figures now. */
    async retire(minute: number): Promise<void> {
      await everywhere((partition) => redis.pexpire(keys.insightsMinute(partition, minute), retiredMs));
    },
  };
}
