import type { EventFacts } from "./event-facts.ts";

/** How many of something ended, and how many of these failed. */
export interface Cell {
  outcomes: number;
  failures: number;
}

/** By what failures are told apart. A cluster is one category, geography and method together. */
export const dimensions = ["category", "geography", "method", "cluster"] as const;
export type Dimension = (typeof dimensions)[number];

/** What is summed for a processor, in the order in which it is stored. */
export const totalNames = [
  "events",
  "failures",
  "successes",
  "timeouts",
  "retries",
  "retriedEvents",
  "retriesSucceeded",
  "retriesFailed",
  "lateEvents",
] as const;

export type Totals = Record<(typeof totalNames)[number], number>;

export interface ProcessorCounts extends Totals {
  readonly cells: Readonly<Record<Dimension, Map<string, Cell>>>;
}

/** What goes beyond a limit is counted under this name, so that sums stay right. */
export const otherName = "other";
/** What an event does not say. */
const unknownName = "unknown";

/** How much one record may hold, whatever names a tenant sends. `other` is not counted. */
export const limits = {
  processors: 32,
  /** Distinct values in a record, over all its processors. */
  category: 48,
  geography: 64,
  method: 32,
  /** Cells of all processors and dimensions together. */
  cells: 768,
  /** A longer name, as it is written down, counts under `other`. */
  nameBytes: 100,
} as const;

type Named = Exclude<Dimension, "cluster">;
/** In the order of a cluster's parts. */
const namedDimensions = ["category", "geography", "method"] as const satisfies readonly Named[];

/** Parts a cluster's name; no value has it, since control characters are refused at the door. */
const separator = "\u0000";

export function clusterName(category: string, geography: string, method: string): string {
  return category + separator + geography + separator + method;
}

/** Category, geography and method of a cluster's name. */
export function clusterParts(name: string): readonly [category: string, geography: string, method: string] {
  const [category = otherName, geography = otherName, method = otherName] = name.split(separator);
  return [category, geography, method];
}

/**
 * What was counted for one tenant and mode in some span of time, by processor. Bounded: the first names that
 * come have places of their own, the rest share `other`.
 */
export class Counts {
  readonly #processors = new Map<string, ProcessorCounts>();
  readonly #names: Readonly<Record<Named, Set<string>>> = {
    category: new Set(),
    geography: new Set(),
    method: new Set(),
  };
  #cells = 0;

  get processors(): ReadonlyMap<string, ProcessorCounts> {
    return this.#processors;
  }

  /** Puts back what was stored of a processor, as it was. */
  restore(name: string, counts: ProcessorCounts): void {
    this.#processors.set(name, counts);
    for (const dimension of namedDimensions) {
      for (const value of counts.cells[dimension].keys()) {
        if (value !== otherName) this.#names[dimension].add(value);
      }
    }
    for (const dimension of dimensions) this.#cells += counts.cells[dimension].size;
  }

  /** Counts one event. */
  add(facts: EventFacts): void {
    const counts = this.#processor(facts.processor);
    if (facts.isLate) {
      counts.lateEvents += 1;
      return;
    }
    counts.events += 1;
    counts.retries += facts.retries;
    if (facts.retries > 0) counts.retriedEvents += 1;
    if (facts.isRetrySucceeded === true) counts.retriesSucceeded += 1;
    if (facts.isRetrySucceeded === false) counts.retriesFailed += 1;
    if (facts.outcome === "open") return;
    const failures = facts.outcome === "failed" ? 1 : 0;
    counts.failures += failures;
    counts.successes += 1 - failures;
    if (facts.isTimeout) counts.timeouts += 1;
    const geography = this.#count(counts, "geography", facts.geography ?? unknownName, 1, failures);
    const method = this.#count(counts, "method", facts.method ?? unknownName, 1, failures);
    if (failures === 0) return;
    const category = this.#count(counts, "category", facts.category ?? unknownName, 1, 1);
    this.#countIn(counts, "cluster", clusterName(category, geography, method), 1, 1);
  }

  /** Adds what another span or partition counted; the largest first, so that they get the places. */
  merge(from: Counts): void {
    const processors = [...from.#processors].sort(([, left], [, right]) => right.events - left.events);
    for (const [name, source] of processors) {
      const target = this.#processor(name);
      for (const total of totalNames) target[total] += source[total];
      for (const dimension of namedDimensions) {
        for (const [value, cell] of largestFirst(source.cells[dimension])) {
          this.#count(target, dimension, value, cell.outcomes, cell.failures);
        }
      }
    }
    // All names have their places now, so that a cluster has those of its parts.
    for (const [name, source] of processors) {
      const target = this.#processor(name);
      for (const [value, cell] of largestFirst(source.cells.cluster)) {
        const parts = clusterParts(value).map((part, at) => {
          const dimension = namedDimensions[at];
          return dimension !== undefined && target.cells[dimension].has(part) ? part : otherName;
        });
        const [category = otherName, geography = otherName, method = otherName] = parts;
        const cluster = clusterName(category, geography, method);
        this.#countIn(target, "cluster", cluster, cell.outcomes, cell.failures);
      }
    }
  }

  #processor(given: string): ProcessorCounts {
    const name =
      this.#processors.has(given) || hasPlace(this.#processors, limits.processors, given) ? given : otherName;
    let counts = this.#processors.get(name);
    if (counts === undefined) {
      counts = emptyProcessor();
      this.#processors.set(name, counts);
    }
    return counts;
  }

  /** Counts under the value's own name, if it has or gets a place; returns the name it was counted under. */
  #count(counts: ProcessorCounts, dimension: Named, given: string, outcomes: number, failures: number) {
    const names = this.#names[dimension];
    let name = otherName;
    if (names.has(given)) name = given;
    else if (given !== otherName && hasPlace(names, limits[dimension], given)) {
      names.add(given);
      name = given;
    }
    return this.#countIn(counts, dimension, name, outcomes, failures);
  }

  #countIn(counts: ProcessorCounts, dimension: Dimension, given: string, outcomes: number, failures: number) {
    const cells = counts.cells[dimension];
    const isFull = this.#cells >= limits.cells;
    const name = isFull && !cells.has(given) ? otherOf(dimension) : given;
    const cell = cells.get(name);
    if (cell === undefined) {
      cells.set(name, { outcomes, failures });
      this.#cells += 1;
    } else {
      cell.outcomes += outcomes;
      cell.failures += failures;
    }
    return name;
  }
}

function otherOf(dimension: Dimension): string {
  return dimension === "cluster" ? clusterName(otherName, otherName, otherName) : otherName;
}

function hasPlace(names: ReadonlySet<string> | ReadonlyMap<string, unknown>, most: number, name: string) {
  const taken = names.size - (names.has(otherName) ? 1 : 0);
  return taken < most && Buffer.byteLength(JSON.stringify(name)) - 2 <= limits.nameBytes;
}

function largestFirst(cells: ReadonlyMap<string, Cell>): [string, Cell][] {
  return [...cells].sort(
    ([, left], [, right]) => right.failures - left.failures || right.outcomes - left.outcomes,
  );
}

export function emptyProcessor(): ProcessorCounts {
  return {
    events: 0,
    failures: 0,
    successes: 0,
    timeouts: 0,
    retries: 0,
    retriedEvents: 0,
    retriesSucceeded: 0,
    retriesFailed: 0,
    lateEvents: 0,
    cells: { category: new Map(), geography: new Map(), method: new Map(), cluster: new Map() },
  };
}
