import { expect, test } from "bun:test";
import fc from "fast-check";
import { Counts, dimensions, limits, otherName, type ProcessorCounts, totalNames } from "./counts.ts";
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

function counted(facts: readonly EventFacts[]): Counts {
  const counts = new Counts();
  for (const one of facts) counts.add(one);
  return counts;
}

const shape = (counts: Counts) => Object.fromEntries(counts.processors);

function totals(counts: Counts) {
  const sums = Object.fromEntries(totalNames.map((name) => [name, 0]));
  for (const processor of counts.processors.values()) {
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

test("below the limits, parts merged are what all events together count", () => {
  fc.assert(
    fc.property(fc.array(events(4), { maxLength: 5 }), (parts) => {
      const merged = new Counts();
      for (const part of parts)
        merged.merge(readRecord(writeRecord({ minute: 0, counts: counted(part) })).counts);
      expect(shape(merged)).toEqual(shape(counted(parts.flat())));
    }),
  );
});

test("beyond the limits sums stay right, and each processor's cells add up to its totals", () => {
  fc.assert(
    fc.property(fc.array(events(90), { maxLength: 6 }), (parts) => {
      const merged = new Counts();
      for (const part of parts) merged.merge(counted(part));
      expect(totals(merged)).toEqual(totals(counted(parts.flat())));
      for (const processor of merged.processors.values()) {
        const { failures, successes } = processor;
        expect(cellSums(processor)).toEqual([
          { dimension: "category", outcomes: failures, failures },
          { dimension: "geography", outcomes: failures + successes, failures },
          { dimension: "method", outcomes: failures + successes, failures },
          { dimension: "cluster", outcomes: failures, failures },
        ]);
      }
    }),
  );
});

test("a tenant that sends names without end gets a record of bounded size", () => {
  const counts = new Counts();
  const hostile = (prefix: string, at: number) => prefix.repeat(95) + String(at).padStart(5, "0");
  for (let at = 0; at < 100_000; at += 1) {
    counts.add({
      processor: hostile("p", at % 500),
      outcome: "failed",
      isTimeout: true,
      retries: 1_000,
      isRetrySucceeded: false,
      isLate: false,
      category: hostile("c", at % 7_919),
      geography: hostile("g", at % 6_131),
      method: hostile("m", at % 10_007),
    });
  }
  expect(counts.processors.size).toBe(limits.processors + 1);
  expect(counts.processors.get(otherName)?.events).toBe(100_000 - limits.processors * 200);
  expect(Buffer.byteLength(writeRecord({ minute: 29_000_000, counts }))).toBeLessThan(32_768);
});

test("names too long for a place of their own count under other", () => {
  const counts = counted([
    {
      processor: "x".repeat(limits.nameBytes + 1),
      outcome: "failed",
      isTimeout: false,
      retries: 0,
      isRetrySucceeded: null,
      isLate: false,
      category: '"'.repeat(limits.nameBytes / 2 + 1),
      geography: "US",
      method: null,
    },
  ]);
  const cells = counts.processors.get(otherName)?.cells;
  expect([...(cells?.category.keys() ?? [])]).toEqual([otherName]);
  expect([...(cells?.cluster.keys() ?? [])]).toEqual(["other\u0000US\u0000unknown"]);
});

test("late events are told, and change no other figure", () => {
  const event: EventFacts = {
    processor: "stripe",
    outcome: "failed",
    isTimeout: true,
    retries: 2,
    isRetrySucceeded: true,
    isLate: true,
    category: "c",
    geography: "g",
    method: "m",
  };
  const { lateEvents, ...rest } = totals(counted([event]));
  expect(lateEvents).toBe(1);
  expect(Object.values(rest)).toEqual(Object.values(rest).map(() => 0));
});
