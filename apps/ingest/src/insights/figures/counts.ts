import type { EventFacts } from "./event-facts.ts";

/** How many of something ended, and how many of these failed. */
export interface Cell {
  outcomes: number;
  failures: number;
}

/** In the order of a cluster's parts. */
export const namedDimensions = ["category", "geography", "method"] as const;

/** By what failures are told apart. A cluster is one category, geography and method together. */
export const dimensions = [...namedDimensions, "cluster"] as const;
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

/** What was counted for one tenant and mode in some span of time, by processor. */
export type Counts = Map<string, ProcessorCounts>;

/** What an event does not say. */
const unknownName = "unknown";
/** Parts a cluster's name; no value has it, since control characters are refused at the door. */
const separator = "\u0000";

export function clusterName(category: string, geography: string, method: string): string {
  return category + separator + geography + separator + method;
}

/** Category, geography and method of a cluster's name. */
export function clusterParts(name: string): readonly [category: string, geography: string, method: string] {
  const [category = unknownName, geography = unknownName, method = unknownName] = name.split(separator);
  return [category, geography, method];
}

/** Counts one event. */
export function addFacts(counts: Counts, facts: EventFacts): void {
  const processor = processorOf(counts, facts.processor);
  if (facts.isLate) {
    processor.lateEvents += 1;
    return;
  }
  processor.events += 1;
  processor.retries += facts.retries;
  if (facts.retries > 0) processor.retriedEvents += 1;
  if (facts.isRetrySucceeded === true) processor.retriesSucceeded += 1;
  if (facts.isRetrySucceeded === false) processor.retriesFailed += 1;
  if (facts.outcome === "open") return;
  const failures = facts.outcome === "failed" ? 1 : 0;
  processor.failures += failures;
  processor.successes += 1 - failures;
  if (facts.isTimeout) processor.timeouts += 1;
  const { category, geography, method, cluster } = processor.cells;
  const [where, how] = [facts.geography ?? unknownName, facts.method ?? unknownName];
  addCell(geography, where, 1, failures);
  addCell(method, how, 1, failures);
  if (failures === 0) return;
  const why = facts.category ?? unknownName;
  addCell(category, why, 1, 1);
  addCell(cluster, clusterName(why, where, how), 1, 1);
}

/** Adds what another span or partition counted. */
export function addCounts(counts: Counts, more: Counts): void {
  for (const [name, source] of more) {
    const processor = processorOf(counts, name);
    for (const total of totalNames) processor[total] += source[total];
    for (const dimension of dimensions) {
      const cells = processor.cells[dimension];
      for (const [value, { outcomes, failures }] of source.cells[dimension]) {
        addCell(cells, value, outcomes, failures);
      }
    }
  }
}

export function addCell(cells: Map<string, Cell>, name: string, outcomes: number, failures: number): void {
  const cell = cells.get(name);
  if (cell === undefined) cells.set(name, { outcomes, failures });
  else {
    cell.outcomes += outcomes;
    cell.failures += failures;
  }
}

function processorOf(counts: Counts, name: string): ProcessorCounts {
  let processor = counts.get(name);
  if (processor === undefined) {
    processor = emptyProcessor();
    counts.set(name, processor);
  }
  return processor;
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
