import type { EntryReference, HeldPartition } from "@payflow/service-kit/streams/consumer.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";

/** What arrived in one minute for some owners, each as the text of a record. */
export interface MinuteTexts {
  readonly minute: number;
  readonly texts: ReadonlyMap<string, string>;
}

/** Owners are `tenant/mode`, minutes are those since 1970, positions are ids of entries. */
export type PartitionCounts = ReturnType<typeof partitionCounts>;

/**
 * A minute is kept so long where nobody brings it into the tenants' figures: as long as any window looks
 * back.
 */
const keptMs = 49 * 3_600_000;

/**
 * Keys: position, minutes. Arguments: for each minute the number of its owners, then they. Returns the
 * position, then the owners' texts.
 */
const readStored = `
  local reply = {redis.call('GET', KEYS[1]) or ''}
  local at = 1
  for key = 2, #KEYS do
    for owner = at + 1, at + ARGV[at] do
      reply[#reply + 1] = redis.call('HGET', KEYS[key], ARGV[owner]) or ''
    end
    at = at + ARGV[at] + 1
  end
  return reply`;

/**
 * Keys: position, minutes. Arguments: the position that was read, the new one, how long minutes are kept in
 * ms, and for each minute the number of its owners, then each with its text. Another position than the one
 * read means that what was added up does not follow from what is stored: nothing is changed then.
 */
const store = `
  if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then error('these entries were counted by another') end
  local at = 4
  for key = 2, #KEYS do
    for owner = at + 1, at + 2 * ARGV[at], 2 do
      redis.call('HSET', KEYS[key], ARGV[owner], ARGV[owner + 1])
    end
    redis.call('PEXPIRE', KEYS[key], ARGV[3])
    at = at + 2 * ARGV[at] + 1
  end
  redis.call('SET', KEYS[1], ARGV[2])
  return 1`;

/** What a partition counts, minute by minute, in the partition's own slot; written under its lease alone. */
export function partitionCounts(keys: StreamKeys) {
  return {
    /** What is stored of these owners' minutes in a partition, and the last entry that is part of it. */
    async stored(
      partition: HeldPartition,
      wanted: readonly { readonly minute: number; readonly owners: readonly string[] }[],
    ): Promise<{ readonly position: string; readonly minutes: readonly MinuteTexts[] }> {
      const names = [
        keys.insightsPosition(partition.number),
        ...wanted.map(({ minute }) => keys.insightsMinute(partition.number, minute)),
      ];
      const values = wanted.flatMap((one) => [one.owners.length, ...one.owners]);
      // The script answers such a list of texts.
      const reply = (await partition.step(readStored, names, values)) as string[];
      const [position = "", ...texts] = reply;
      let at = 0;
      return {
        position,
        minutes: wanted.map((one) => {
          const found = one.owners.map((owner) => [owner, texts[at++] ?? ""] as const);
          return { minute: one.minute, texts: new Map(found.filter(([, text]) => text !== "")) };
        }),
      };
    },

    /**
     * Puts new texts in the place of those read, and marks the entries that they count as done, in one step.
     * Throws, and changes nothing, where another position than the expected one is stored.
     */
    async store(
      partition: HeldPartition,
      from: string,
      position: string,
      minutes: readonly MinuteTexts[],
      entries: readonly EntryReference[],
    ): Promise<void> {
      const names = [
        keys.insightsPosition(partition.number),
        ...minutes.map(({ minute }) => keys.insightsMinute(partition.number, minute)),
      ];
      const values = minutes.flatMap(({ texts }) => [texts.size, ...[...texts].flat()]);
      const done = { entries, isExported: false };
      await partition.step(store, names, [from, position, keptMs, ...values], done);
    },
  };
}
