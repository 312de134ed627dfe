import type { HeldPartition } from "@payflow/service-kit/streams/consumer.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Boundary } from "./boundary.ts";

export type BoundariesStore = ReturnType<typeof createBoundariesStore>;

/** The boundaries of the files being written, kept with their partition and changed only under its lease. */
export function createBoundariesStore(keys: StreamKeys, partition: HeldPartition) {
  const key = keys.boundaries(partition.number, partition.group);
  return {
    /** By the lane: a tenant's id, or nothing for the exporter's own. */
    async load(): Promise<Map<string, Boundary>> {
      const reply = await partition.step("return redis.call('HGETALL', KEYS[1])", [key], []);
      // HGETALL answers names and texts in turn; only `record` writes them.
      const texts = reply as string[];
      const boundaries = new Map<string, Boundary>();
      for (let at = 0; at + 1 < texts.length; at += 2) {
        boundaries.set(texts[at] ?? "", JSON.parse(texts[at + 1] ?? "") as Boundary);
      }
      return boundaries;
    },

    /** The lane's next file takes the place of the one before, which is acknowledged by then. */
    async record(lane: string, boundary: Boundary): Promise<void> {
      const script = "return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])";
      await partition.step(script, [key], [lane, JSON.stringify(boundary)]);
    },
  };
}
