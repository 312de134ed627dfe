import type { Mode } from "@payflow/contracts/access.ts";
import { entryTimeMs } from "@payflow/service-kit/store/entry-id.ts";
import { redisTimeMs } from "@payflow/service-kit/store/redis.ts";
import { fieldFunction } from "@payflow/service-kit/store/redis-lua.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { PartitionState } from "@payflow/service-kit/streams/lag.ts";

/**
 * Keys: stream, entries acknowledged ahead. Arguments: first entry to look at, tenant, mode, entries looked
 * at. Returns the first entry of the tenant that is not acknowledged, or where none of these is, the last one
 * looked at if there may be more.
 */
const oldestScript = `
  ${fieldFunction}
  local found = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[4])
  for _, one in ipairs(found) do
    if field(one[2], 'tenant') == ARGV[2] and field(one[2], 'mode') == ARGV[3]
      and redis.call('HEXISTS', KEYS[2], one[1]) == 0 then return one[1] end
  end
  if #found < tonumber(ARGV[4]) then return '' end
  return found[#found][1]`;

interface OldestScript {
  streamsOldestOf(keyCount: number, ...args: (string | number)[]): Promise<string>;
}

/** Entries looked at in each partition, so that no request holds Redis for long. */
const looked = 1_000;

interface Owner {
  readonly tenantId: string;
  readonly mode: Mode;
}

export type StreamsStore = ReturnType<typeof createStreamsStore>;

/** What the streams know of one tenant, and of their dead letters. */
export function createStreamsStore(redis: StreamsRedis, keys: StreamKeys, partitions: number) {
  redis.defineCommand("streamsOldestOf", { lua: oldestScript });
  // defineCommand adds the method that the interface lists.
  const scripted = redis as StreamsRedis & OldestScript;
  const all = Array.from({ length: partitions }, (_, partition) => partition);

  async function sum(names: readonly string[], field: string): Promise<number> {
    const counts = await Promise.all(names.map((name) => redis.hget(name, field)));
    return counts.reduce((total, count) => total + Number(count ?? 0), 0);
  }

  return {
    /** Events stored in these months, written as 2026-11. */
    accepted: ({ tenantId, mode }: Owner, months: readonly string[]) =>
      sum(
        months.flatMap((month) => all.map((partition) => keys.usage(partition, month))),
        `${tenantId}/${mode}`,
      ),

    /** Events that a group is done with. */
    exported: ({ tenantId, mode }: Owner, group: string) =>
      sum(
        all.map((partition) => keys.exported(partition, group)),
        `${tenantId}/${mode}`,
      ),

    /**
     * When the tenant's oldest event arrived that a group has not acknowledged, in ms; where it has many of
     * other tenants before it, an earlier time. Infinity when there is none.
     */
    async oldestUnexportedMs(
      { tenantId, mode }: Owner,
      group: string,
      state: PartitionState,
    ): Promise<number> {
      const { partition } = state;
      const lag = state.groups.find((one) => one.group === group);
      const ahead = keys.ahead(partition, group);
      const oldest = (stream: string, from: string) =>
        scripted.streamsOldestOf(2, stream, ahead, from, tenantId, mode, looked);
      const found = await Promise.all([
        lag?.oldestId == null ? "" : oldest(keys.events(partition), lag.oldestId),
        oldest(keys.parked(partition, group, tenantId), "-"),
      ]);
      return Math.min(...found.filter((id) => id !== "").map(entryTimeMs));
    },

    /** Its dead letters. */
    async dead({ tenantId, mode }: Owner): Promise<number> {
      const counts = await Promise.all(
        all.map((partition) => redis.zcard(keys.deadOf(partition, tenantId, mode))),
      );
      return counts.reduce((total, count) => total + count, 0);
    },

    /** The month in which the streams were first used, where it is known. */
    firstMonth: () => redis.hget(keys.plan(), "first_month"),

    /** Dead letters of each partition. */
    letters: () => Promise.all(all.map((partition) => redis.xlen(keys.dead(partition)))),

    /** Redis's time, in ms. */
    nowMs: () => redisTimeMs(redis),
  };
}
