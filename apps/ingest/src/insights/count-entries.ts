import { compareEntryIds, entryTimeMs } from "@payflow/service-kit/store/entry-id.ts";
import type { HeldPartition, PartitionConsumer } from "@payflow/service-kit/streams/consumer.ts";
import type { StreamEntry } from "@payflow/service-kit/streams/entry.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { compact } from "./figures/compact.ts";
import { addCounts, addFacts, type Counts } from "./figures/counts.ts";
import { readRecord, writeRecord } from "./figures/counts-text.ts";
import { readFacts } from "./figures/event-facts.ts";
import { minuteOf } from "./figures/windows.ts";
import type { MinuteTexts, PartitionCounts } from "./partition-counts.store.ts";

export interface CountEntries {
  readonly counts: PartitionCounts;
  /** What happened longer than this before it arrived is counted as late only. */
  readonly lateMs: number;
  readonly counted: ReturnType<Metrics["counter"]>;
}

/** Minute since 1970 -> owner -> what these entries add. */
type Additions = Map<number, Map<string, Counts>>;

/**
 * Counts a partition's entries by the minute of their arrival. What they add, the position up to which they
 * are counted and their being done are stored in one step: each counts once, however often it is delivered.
 */
export function countEntries(deps: CountEntries, partition: HeldPartition): Pick<PartitionConsumer, "take"> {
  /** The last entry that is counted, once it is known. */
  let position: string | null = null;
  return {
    async take(entries) {
      const last = entries.at(-1);
      if (last === undefined) return;
      position ??= (await deps.counts.stored(partition, [])).position;
      const from: string = position;
      const fresh = entries.filter((entry) => isAfter(entry.id, from));
      const additions = addUp(deps, fresh);
      const wanted = [...additions].map(([minute, owners]) => ({ minute, owners: [...owners.keys()] }));
      const stored = await deps.counts.stored(partition, wanted);
      const minutes = stored.minutes.map((minute) => combine(minute, additions.get(minute.minute)));
      const to = fresh.length === 0 ? from : last.id;
      await deps.counts.store(partition, from, to, minutes, entries);
      deps.counted.inc(fresh.length);
      position = to;
    },
  };
}

function addUp(deps: CountEntries, entries: readonly StreamEntry[]): Additions {
  const additions: Additions = new Map();
  for (const entry of entries) {
    const arrivedAtMs = entryTimeMs(entry.id);
    const facts = readFacts(entry.event, arrivedAtMs, deps.lateMs);
    if (facts === null) continue;
    const minute = minuteOf(arrivedAtMs);
    let owners = additions.get(minute);
    if (owners === undefined) {
      owners = new Map();
      additions.set(minute, owners);
    }
    const owner = `${entry.tenantId}/${entry.mode}`;
    let counts = owners.get(owner);
    if (counts === undefined) {
      counts = new Map();
      owners.set(owner, counts);
    }
    addFacts(counts, facts);
  }
  return additions;
}

/** What a minute's texts are with what was added to it. */
function combine(
  { minute, texts }: MinuteTexts,
  added: ReadonlyMap<string, Counts> | undefined,
): MinuteTexts {
  const combined = [...(added ?? [])].map(([owner, addition]) => {
    const text = texts.get(owner);
    const counts: Counts = text === undefined ? new Map() : readRecord(text).counts;
    addCounts(counts, addition);
    return [owner, writeRecord({ minute, counts: compact(counts) })] as const;
  });
  return { minute, texts: new Map(combined) };
}

/** Whether an entry lies behind a position; behind none, which is empty, lie all. */
function isAfter(id: string, position: string): boolean {
  return position === "" || compareEntryIds(id, position) > 0;
}
