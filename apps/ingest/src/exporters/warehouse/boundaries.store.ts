import type { EntryReference, HeldPartition } from "@payflow/service-kit/streams/consumer.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Boundary } from "./boundary.ts";

export type BoundariesStore = ReturnType<typeof createBoundariesStore>;

/** The boundaries of the files being written, kept with their partition and changed only under its lease. */
export function createBoundariesStore(keys: StreamKeys, partition: HeldPartition) {
  const key = keys.boundaries(partition.number, partition.group);
  const removing = "return redis.call('HDEL', KEYS[1], ARGV[1])";
  return {
    /** With the paths of their files, in the order in which they were written down. */
    async load(): Promise<{ readonly path: string; readonly boundary: Boundary }[]> {
      const reply = await partition.step("return redis.call('HGETALL', KEYS[1])", [key], []);
      // HGETALL answers names and texts in turn; only `record` writes them.
      const texts = reply as string[];
      const found: { path: string; boundary: Boundary }[] = [];
      for (let at = 0; at + 1 < texts.length; at += 2) {
        found.push({ path: texts[at] ?? "", boundary: JSON.parse(texts[at + 1] ?? "") as Boundary });
      }
      return found.sort((left, right) => left.boundary.number - right.boundary.number);
    },

    async record(path: string, boundary: Boundary): Promise<void> {
      const script = "return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])";
      await partition.step(script, [key], [path, JSON.stringify(boundary)]);
    },

    /** The file is stored: in one step its entries are done, and its boundary is needed no more. */
    async finish(path: string, entries: readonly EntryReference[]): Promise<void> {
      await partition.step(removing, [key], [path], { entries, isExported: true });
    },

    /** Settings lead away from where the file was to stand. */
    async forget(path: string): Promise<void> {
      await partition.step(removing, [key], [path]);
    },
  };
}
