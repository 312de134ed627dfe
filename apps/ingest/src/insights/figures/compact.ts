import {
  addCell,
  addCounts,
  type Cell,
  type Counts,
  clusterName,
  clusterParts,
  type Dimension,
  dimensions,
  namedDimensions,
  type ProcessorCounts,
} from "./counts.ts";

/** What goes beyond a limit is counted under this name, so that sums stay right. */
export const otherName = "other";

/** How much one record holds at most, whatever names a tenant sends; `other` is not counted. */
export const limits = {
  processors: 32,
  /** Distinct values in a record, over all its processors. */
  category: 48,
  geography: 64,
  method: 32,
  /** Clusters of each processor. */
  cluster: 32,
  /** Cells of all processors and dimensions together. */
  cells: 1_024,
  /** A longer name, as it is written down, counts under `other`. */
  nameBytes: 100,
} as const;

/**
 * The same counts within all limits: processors with the most events and values with the most failures keep
 * their names, and what is beyond them shares `other`.
 */
export function compact(given: Counts): Counts {
  const counts = withFewProcessors(given);
  for (const dimension of namedDimensions) {
    const kept = new Set(largest(weights(counts, dimension), limits[dimension], isShort));
    for (const processor of counts.values()) {
      rename(processor, dimension, (name) => (kept.has(name) ? name : otherName));
    }
  }
  for (const { cells } of counts.values()) keepClusters(cells);
  keepLargestCells(counts);
  return counts;
}

function withFewProcessors(given: Counts): Counts {
  const events = new Map(
    [...given].map(([name, one]) => [name, { failures: one.events, outcomes: one.lateEvents }]),
  );
  const kept = new Set(largest(events, limits.processors, isShort));
  const counts: Counts = new Map();
  for (const [name, processor] of given)
    addCounts(counts, new Map([[kept.has(name) ? name : otherName, processor]]));
  return counts;
}

/** How often each value occurs with any processor. */
function weights(counts: Counts, dimension: Dimension): Map<string, Cell> {
  const sums = new Map<string, Cell>();
  for (const { cells } of counts.values()) {
    for (const [name, { outcomes, failures }] of cells[dimension]) addCell(sums, name, outcomes, failures);
  }
  return sums;
}

/** A cluster has the names that its parts were left with; then those with the most failures stay. */
function keepClusters(cells: ProcessorCounts["cells"]): void {
  const named = (at: number, part: string) => {
    const dimension = namedDimensions[at];
    return dimension !== undefined && cells[dimension].has(part) ? part : otherName;
  };
  rename({ cells }, "cluster", (name) => {
    const [category, geography, method] = clusterParts(name);
    return clusterName(named(0, category), named(1, geography), named(2, method));
  });
  const other = otherOf("cluster");
  const kept = new Set(largest(cells.cluster, limits.cluster, (name) => name !== other));
  rename({ cells }, "cluster", (name) => (kept.has(name) ? name : other));
}

/** With too many cells in all, the smallest of any processor and dimension give up their names. */
function keepLargestCells(counts: Counts): void {
  const all = [...counts.values()].flatMap(({ cells }) =>
    dimensions.flatMap((dimension) =>
      [...cells[dimension]]
        .filter(([name]) => name !== otherOf(dimension))
        .map(([name, cell]) => ({ cells, dimension, name, cell })),
    ),
  );
  const beyond = all.sort((left, right) => compare(left.cell, right.cell)).slice(limits.cells);
  for (const { cells, dimension, name, cell } of beyond) {
    cells[dimension].delete(name);
    addCell(cells[dimension], otherOf(dimension), cell.outcomes, cell.failures);
  }
}

function rename(
  { cells }: Pick<ProcessorCounts, "cells">,
  dimension: Dimension,
  nameOf: (name: string) => string,
) {
  const before = [...cells[dimension]];
  if (before.every(([name]) => nameOf(name) === name)) return;
  cells[dimension].clear();
  for (const [name, { outcomes, failures }] of before) {
    addCell(cells[dimension], nameOf(name), outcomes, failures);
  }
}

/** The names of the largest, as many as may stay. */
function largest(
  cells: ReadonlyMap<string, Cell>,
  most: number,
  mayStay: (name: string) => boolean,
): string[] {
  const named = [...cells].filter(([name]) => mayStay(name));
  if (named.length > most) {
    named.sort(([left, one], [right, two]) => compare(one, two) || (left < right ? -1 : 1));
  }
  return named.slice(0, most).map(([name]) => name);
}

function compare(left: Cell, right: Cell): number {
  return right.failures - left.failures || right.outcomes - left.outcomes;
}

function isShort(name: string): boolean {
  // No character is written with more than six bytes.
  if (name.length <= limits.nameBytes / 6) return name !== otherName;
  return Buffer.byteLength(JSON.stringify(name)) - 2 <= limits.nameBytes;
}

function otherOf(dimension: Dimension): string {
  return dimension === "cluster" ? clusterName(otherName, otherName, otherName) : otherName;
}
