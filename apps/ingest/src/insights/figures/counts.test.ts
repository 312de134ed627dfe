import { expect, test } from "bun:test";
import fc from "fast-check";
import { compact, limits, otherName } from "./compact.ts";
import {
  addCounts,
  addFacts,
  type Counts,
  clusterName,
  dimensions,
  type ProcessorCounts,
  totalNames,
} from "./counts.ts";
import { readRecord, writeRecord } from "./counts-text.ts";
import type { EventFacts } from "./event-facts.ts";

const names = (prefix: string, most: number) => fc.nat(most - 1).map((at) => `${prefix}${at}`);

/** Events of the given variety: few names stay below every limit, many go beyond all of them. */
const events = (variety: number) =>
  fc.array(
    fc.record<EventFacts>({
      processor: names("processor", variety),
      outcome: fc.constantFrom("failed", "succeeded", "open"),
      isTimeout: fc.constant(false),
      retries: fc.nat(3),
      isRetrySucceeded: fc.constantFrom(true, false, null),
      isLate: fc.constantFrom(false, false, false, true),
      category: fc.option(names("category", variety)),
      geography: fc.option(names("geography", variety)),
      method: fc.option(names("method", variety)),
    }),
    { maxLength: 300 },
  );

const example: EventFacts = {
  processor: "stripe",
  outcome: "failed",
  isTimeout: true,
  retries: 2,
  isRetrySucceeded: true,
  isLate: false,
  category: "c",
  geography: "g",
  method: "m",
};

function counted(facts: readonly EventFacts[]): Counts {
  const counts: Counts = new Map();
  for (const one of facts) addFacts(counts, one);
  return counts;
}

/** Without the order of anything. */
const shape = (counts: Counts) =>
  Object.fromEntries([...counts].map(([name, one]) => [name, { ...one, cells: one.cells }]));

function totals(counts: Counts) {
  const sums = Object.fromEntries(totalNames.map((name) => [name, 0]));
  for (const processor of counts.values()) {
    for (const name of totalNames) sums[name] = (sums[name] ?? 0) + processor[name];
  }
  return sums;
}

function cellSums(processor: ProcessorCounts) {
  return dimensions.map((dimension) => {
    const cells = [...processor.cells[dimension].values()];
    return {
      dimension,
      outcomes: cells.reduce((sum, cell) => sum + cell.outcomes, 0),
      failures: cells.reduce((sum, cell) => sum + cell.failures, 0),
    };
  });
}

test("a record read back is the record that was written", () => {
  fc.assert(
    fc.property(events(90), (facts) => {
      const record = { minute: 29_000_000, counts: counted(facts) };
      expect(shape(readRecord(writeRecord(record)).counts)).toEqual(shape(record.counts));
      expect(writeRecord(readRecord(writeRecord(record)))).toBe(writeRecord(record));
    }),
  );
});

test("below the limits, parts that are kept and added up are what all events together count", () => {
  fc.assert(
    fc.property(fc.array(events(3), { maxLength: 5 }), (parts) => {
      const sum: Counts = new Map();
      for (const part of parts) {
        addCounts(sum, readRecord(writeRecord({ minute: 0, counts: compact(counted(part)) })).counts);
      }
      expect(shape(compact(sum))).toEqual(shape(counted(parts.flat())));
    }),
  );
});

test("beyond the limits sums stay right, each processor's cells add up to its totals, and all limits hold", () => {
  fc.assert(
    fc.property(fc.array(events(90), { maxLength: 6 }), (parts) => {
      let counts: Counts = new Map();
      for (const part of parts) {
        addCounts(counts, compact(counted(part)));
        counts = compact(counts);
      }
      expect(totals(counts)).toEqual(totals(counted(parts.flat())));
      let cells = 0;
      for (const processor of counts.values()) {
        const { failures, successes } = processor;
        expect(cellSums(processor)).toEqual([
          { dimension: "category", outcomes: failures, failures },
          { dimension: "geography", outcomes: failures + successes, failures },
          { dimension: "method", outcomes: failures + successes, failures },
          { dimension: "cluster", outcomes: failures, failures },
        ]);
        expect(processor.cells.cluster.size).toBeLessThanOrEqual(limits.cluster + 1);
        for (const dimension of dimensions) cells += processor.cells[dimension].size - 1;
      }
      expect(counts.size).toBeLessThanOrEqual(limits.processors + 1);
      expect(cells).toBeLessThanOrEqual(limits.cells);
    }),
  );
});

test("what fails most keeps its name, however late it comes and however many names there are", () => {
  let counts: Counts = new Map();
  for (let round = 0; round < 20; round += 1) {
    const noise = Array.from({ length: 200 }, (_, at) => ({ ...example, category: `noise-${round}-${at}` }));
    const trouble = Array.from({ length: round < 10 ? 0 : 50 }, () => ({ ...example, category: "trouble" }));
    addCounts(counts, counted([...noise, ...trouble]));
    counts = compact(counts);
  }
  const cells = counts.get("stripe")?.cells;
  expect(cells?.category.get("trouble")).toEqual({ outcomes: 500, failures: 500 });
  expect(cells?.cluster.get(clusterName("trouble", "g", "m"))?.failures).toBe(500);
});

test("counts that are compacted are not changed themselves", () => {
  fc.assert(
    fc.property(events(90), (facts) => {
      const counts = counted(facts);
      compact(counts);
      expect(shape(counts)).toEqual(shape(counted(facts)));
    }),
  );
});

test("a tenant that sends names without end gets a record of bounded size", () => {
  const hostile = (prefix: string, at: number) => prefix.repeat(95) + String(at).padStart(5, "0");
  const facts = Array.from({ length: 100_000 }, (_, at) => ({
    ...example,
    processor: hostile("p", at % 500),
    category: hostile("c", at % 7_919),
    geography: hostile("g", at % 6_131),
    method: hostile("m", at % 10_007),
  }));
  const counts = compact(counted(facts));
  expect(counts.size).toBe(limits.processors + 1);
  expect(counts.get(otherName)?.events).toBe(100_000 - limits.processors * 200);
  expect(Buffer.byteLength(writeRecord({ minute: 29_000_000, counts }))).toBeLessThan(40_000);
});

test("names too long for a place of their own count under other, and so does other itself", () => {
  const counts = compact(
    counted([
      {
        ...example,
        processor: "x".repeat(limits.nameBytes + 1),
        category: '"'.repeat(limits.nameBytes / 2 + 1),
        geography: "US",
        method: null,
      },
      { ...example, processor: otherName, category: otherName, geography: "é".repeat(51), method: "m" },
    ]),
  );
  expect([...counts.keys()]).toEqual([otherName]);
  const cells = counts.get(otherName)?.cells;
  expect([...(cells?.category.keys() ?? [])]).toEqual([otherName]);
  expect([...(cells?.cluster.keys() ?? [])]).toEqual([
    clusterName(otherName, "US", "unknown"),
    clusterName(otherName, otherName, "m"),
  ]);
});

test("late events are told, and change no other figure", () => {
  const { lateEvents, ...rest } = totals(counted([{ ...example, isLate: true }]));
  expect(lateEvents).toBe(1);
  expect(Object.values(rest)).toEqual(Object.values(rest).map(() => 0));
});
