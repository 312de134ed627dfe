import { expect, test } from "bun:test";
import { type BenchReport, figure, median, spreadFigure } from "../result.ts";
import { describeBenchmarks, partOf } from "./document.ts";
import { notes } from "./notes.ts";
import { drawCurves } from "./picture.ts";

const report: BenchReport = {
  bench: "ledger",
  results: [
    spreadFigure("postings_per_second", [21_000, 19_000, 23_000, 22_000], "postings/s", {
      name: "pgbench",
      rounds: [1_000, 2_000, 1_200, 1_300],
    }),
    figure("cpu_postgres", 0.03, "CPU s/1,000"),
    figure("cpu_total", 0.05, "CPU s/1,000"),
  ],
  checks: [{ name: "debits equal credits", ok: false }],
  versions: { bun: "1.4.5" },
  machine: { cores: 2 },
};

test("a report tells the median with its range, the ratio, and which floors and goals were not reached", () => {
  const text = describeBenchmarks({
    ledger: { command: "./payflow bench ledger", measuredOn: "2026-01-01", commit: "abc1234", report },
  });
  expect(text).toContain("| postings per second | 21,500 postings/s | 19,000 to 23,000 | 1,250 (pgbench) |");
  expect(text).toContain(
    "| ledger | postings on one hot account a second | 21,500 | 20,000 | 45,000 (not reached) |",
  );
  expect(text).toContain("`./payflow bench ledger`, 2026-01-01, commit abc1234; cores 2, bun 1.4.5.");
  expect(text).toContain("postgres 60 %");
  expect(text).toContain("admits 40,000 a second");
  expect(text).toContain("- BROKEN: debits equal credits");
});

test("every benchmark that has a word about it has its section", () => {
  for (const bench of Object.keys(notes)) {
    const stored = {
      command: "c",
      measuredOn: "2026-01-01",
      commit: "abc1234",
      report: { ...report, bench },
    };
    expect(describeBenchmarks({ [bench]: stored })).toContain(`## ${bench}`);
  }
});

test("what was measured over Kafka does not replace what was measured over Redis", () => {
  const over = (bus: string) => partOf({ ...report, bench: "bus", versions: { bus } });
  expect([over("redis"), over("kafka")]).toEqual(["bus", "bus over Kafka"]);
  expect(Object.keys(notes)).toContain(over("kafka"));
});

test("the median of an even number of rounds lies between the middle two", () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([3, 1, 2])).toBe(2);
  expect(median([])).toBe(0);
});

test("the picture has a point for each measurement, all of them inside", () => {
  const svg = drawCurves({
    throughput: [1, 4, 16, 64, 256].map((connections) => ({ connections, perSecond: connections * 10 })),
    latency: [100, 200, 400].map((perSecond) => ({ perSecond, p50Ms: 5, p99Ms: perSecond })),
  });
  const points = [...svg.matchAll(/<circle cx="([\d.-]+)" cy="([\d.-]+)"/g)].map(([, x, y]) => [
    Number(x),
    Number(y),
  ]);
  expect(points).toHaveLength(11);
  for (const [x = -1, y = -1] of points) {
    expect(x).toBeWithin(0, 861);
    expect(y).toBeWithin(0, 331);
  }
});
