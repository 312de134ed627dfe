import { oneAtATime } from "@payflow/service-kit/concurrency/one-at-a-time.ts";
import { fieldFunction } from "@payflow/service-kit/store/redis-lua.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import { type GroupPlace, readPlace } from "@payflow/service-kit/streams/registry.ts";

/**
 * Keys: stream. Arguments: group, `0` or `$`. Makes the group, with its count of entries read, so that Redis
 * can tell its lag. One that is there stays as it is.
 */
const createScript = `#!lua flags=allow-oom
  ${fieldFunction}
  local about = redis.pcall('XINFO', 'STREAM', KEYS[1])
  local read = 0
  if not about.err then
    read = field(about, 'entries-added')
    if ARGV[2] == '0' then read = read - field(about, 'length') end
  end
  local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM', 'ENTRIESREAD', read)
  if made.err and not string.find(made.err, '^BUSYGROUP') then return made end
  return 1`;

/**
 * Keys: registry. Arguments: group, the text found, the new text. Changes a place unless somebody else has
 * changed it meanwhile; an empty text stands for none.
 */
const changeScript = `
  local found = redis.call('HGET', KEYS[1], ARGV[1]) or ''
  if found ~= ARGV[2] then return 0 end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  return 1`;

interface RegistryScripts {
  streamsCreateGroup(keyCount: number, key: string, group: string, start: string): Promise<number>;
  streamsChangePlace(keyCount: number, key: string, ...args: string[]): Promise<number>;
}

export type RegistryStore = ReturnType<typeof createRegistryStore>;

/** The groups that entries wait for, and what they have in each partition. */
export function createRegistryStore(redis: StreamsRedis, keys: StreamKeys, partitions: number) {
  redis.defineCommand("streamsCreateGroup", { lua: createScript });
  redis.defineCommand("streamsChangePlace", { lua: changeScript });
  // defineCommand adds the methods that the interface lists.
  const scripted = redis as StreamsRedis & RegistryScripts;
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  return {
    async places(): Promise<ReadonlyMap<string, GroupPlace>> {
      const texts = await redis.hgetall(keys.groups());
      return new Map(Object.entries(texts).map(([group, text]) => [group, readPlace(text)]));
    },

    async place(group: string): Promise<{ readonly text: string; readonly place: GroupPlace | null }> {
      const text = (await redis.hget(keys.groups(), group)) ?? "";
      return { text, place: text === "" ? null : readPlace(text) };
    },

    /** Makes a change of several steps while nobody else makes one. */
    alone: <T>(run: () => Promise<T>): Promise<T> => oneAtATime(redis, keys.change("groups"), run),

    /** Stores a place where the one found has stayed as it was; false when it has not. */
    async change(group: string, found: string, place: GroupPlace): Promise<boolean> {
      const changed = await scripted.streamsChangePlace(
        1,
        keys.groups(),
        group,
        found,
        JSON.stringify(place),
      );
      return changed === 1;
    },

    /** Makes the group in every partition that lacks it. */
    async create(group: string, start: "0" | "$"): Promise<void> {
      await Promise.all(
        all.map((partition) => scripted.streamsCreateGroup(1, keys.events(partition), group, start)),
      );
    },

    /** Deletes everything the group has in the partitions. */
    async destroy(group: string): Promise<void> {
      await Promise.all(
        all.map(async (partition) => {
          await redis.xgroup("DESTROY", keys.events(partition), group).catch(absentAsDone);
          await redis.unlink(
            ...[keys.lease(partition, group), keys.ahead(partition, group)],
            ...[keys.failures(partition, group), keys.exported(partition, group)],
          );
        }),
      );
    },

    /** The last entry of each partition. */
    async ends(): Promise<string[]> {
      return Promise.all(
        all.map(async (partition) => {
          const [last] = await redis.xrevrange(keys.events(partition), "+", "-", "COUNT", 1);
          return last?.[0] ?? "0-0";
        }),
      );
    },
  };
}

/** A stream that is not there has no group. */
function absentAsDone(error: unknown): void {
  if (!(error instanceof Error) || !/key to exist|no such key/i.test(error.message)) throw error;
}
