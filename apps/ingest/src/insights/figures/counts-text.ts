import {
  type Counts,
  clusterName,
  clusterParts,
  dimensions,
  emptyProcessor,
  type ProcessorCounts,
  totalNames,
} from "./counts.ts";

/*
 * A record as it stands in Redis: JSON of [the minute it begins with, all names once, processors], where a
 * processor is [its name, its totals, then one list a dimension], names stand as their places in the list of
 * names, and a list holds name, outcomes, failures in turn; of a cluster category, geography, method,
 * failures in turn.
 */
type StoredProcessor = readonly [name: number, totals: readonly number[], ...(readonly number[])[]];
type Stored = readonly [minute: number, names: readonly string[], processors: readonly StoredProcessor[]];

/** A record and the minute since 1970 with which its span begins. */
export interface CountsRecord {
  readonly minute: number;
  readonly counts: Counts;
}

/** The text of a record. */
export function writeRecord({ minute, counts }: CountsRecord): string {
  const places = new Map<string, number>();
  const place = (name: string) => {
    const known = places.get(name) ?? places.size;
    places.set(name, known);
    return known;
  };
  const processors = [...counts].map(
    ([name, processor]): StoredProcessor => [
      place(name),
      totalNames.map((total) => processor[total]),
      ...dimensions.map((dimension) =>
        [...processor.cells[dimension]].flatMap(([value, cell]) =>
          dimension === "cluster"
            ? [...clusterParts(value).map(place), cell.failures]
            : [place(value), cell.outcomes, cell.failures],
        ),
      ),
    ],
  );
  const stored: Stored = [minute, [...places.keys()], processors];
  return JSON.stringify(stored);
}

/** Reads back what `writeRecord` wrote. */
export function readRecord(text: string): CountsRecord {
  // Nobody but this file writes records.
  const [minute, names, processors] = JSON.parse(text) as Stored;
  const nameAt = (at: number | undefined) => names[at ?? -1] ?? "";
  const counts: Counts = new Map();
  for (const [name, totals, ...lists] of processors) {
    const processor = emptyProcessor();
    totalNames.forEach((total, at) => {
      processor[total] = totals[at] ?? 0;
    });
    lists.forEach((list, at) => {
      readCells(processor, dimensions[at], list, nameAt);
    });
    counts.set(nameAt(name), processor);
  }
  return { minute, counts };
}

function readCells(
  processor: ProcessorCounts,
  dimension: (typeof dimensions)[number] | undefined,
  list: readonly number[],
  nameAt: (at: number | undefined) => string,
): void {
  if (dimension === undefined) return;
  const cells = processor.cells[dimension];
  if (dimension === "cluster") {
    for (let at = 0; at + 3 < list.length; at += 4) {
      const failures = list[at + 3] ?? 0;
      const name = clusterName(nameAt(list[at]), nameAt(list[at + 1]), nameAt(list[at + 2]));
      cells.set(name, { outcomes: failures, failures });
    }
    return;
  }
  for (let at = 0; at + 2 < list.length; at += 3) {
    cells.set(nameAt(list[at]), { outcomes: list[at + 1] ?? 0, failures: list[at + 2] ?? 0 });
  }
}
