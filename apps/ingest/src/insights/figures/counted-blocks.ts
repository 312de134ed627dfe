import { addCounts, type Counts } from "./counts.ts";
import { readRecord } from "./counts-text.ts";
import { type Level, slotOf } from "./windows.ts";

/** What some blocks hold together. A field whose record is of another block holds nothing of these. */
export function countsOf(
  records: ReadonlyMap<string, string>,
  level: Level,
  blocks: readonly number[],
): Counts {
  const counts: Counts = new Map();
  for (const block of blocks) {
    const text = records.get(slotOf(level, block));
    if (text === undefined) continue;
    const record = readRecord(text);
    if (record.minute === block) addCounts(counts, record.counts);
  }
  return counts;
}
