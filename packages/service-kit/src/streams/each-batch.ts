import { finishBatch } from "../concurrency/finish-batch.ts";
import { isTransient as isTransientError } from "../store/database.ts";
import type { HeldPartition, PartitionConsumer } from "./consumer.ts";
import type { StreamEntry } from "./entry.ts";
import { merchantKey } from "./keys.ts";

export interface EachBatchOptions {
  /**
   * Whether an error passes by itself, so that it is retried without limit and is no try; what PostgreSQL,
   * Redis and our own services throw while they are away, when left out.
   */
  readonly isTransient?: (error: unknown) => boolean;
}

/**
 * A consumer that hands entries to a function and acknowledges them when it returns. A failing batch is
 * bisected; an entry that fails by itself is tried five times within ten seconds, while later ones of its
 * merchant wait, and then moved to the dead letters. `HopelessEntry` moves it there at once.
 */
export function eachBatch(
  handle: (entries: readonly StreamEntry[], partition: HeldPartition) => Promise<void>,
  { isTransient = isTransientError }: EachBatchOptions = {},
): (partition: HeldPartition) => PartitionConsumer {
  return (partition) => ({
    async take(entries) {
      await finishBatch({
        items: entries.map((entry) => ({
          entry,
          position: entry.id,
          key: merchantKey(entry.tenantId, entry.mode, entry.merchant),
        })),
        signal: partition.signal,
        isTransient,
        async handle(items) {
          const batch = items.map((item) => item.entry);
          await handle(batch, partition);
          await partition.acknowledge(batch);
        },
        failures: {
          load: () => partition.failures(),
          record: ({ entry }, failure) => partition.recordFailure(entry, failure),
          bury: ({ entry }, failure) => partition.bury(entry, failure),
        },
        onError: (error, kind, item) => partition.report(error, kind, item?.entry),
      });
    },
    async close() {},
  });
}
