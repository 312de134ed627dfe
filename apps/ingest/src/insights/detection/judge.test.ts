import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Degraded, judge, type Sample, type Thresholds, zScore } from "./judge.ts";

const thresholds: Thresholds = { leastOutcomes: 50, rise: 0.1, deviations: 4, alone: 0.5 };
const sample = (outcomes: number, failures: number): Sample => ({ outcomes, failures });
const none = sample(0, 0);
const verdict = (state: Degraded | undefined, now: Sample, before: Sample) =>
  judge(state, now, before, thresholds, 100);

test("the z-score is that of a worked example", () => {
  // 140 of 200 against 255 of 340: pooled 395/540, standard error 0.03950, so -1.266.
  expect(zScore(sample(200, 140), sample(340, 255))).toBeCloseTo(-1.266, 3);
  expect(zScore(sample(50, 0), sample(50, 0))).toBe(0);
  expect(zScore(sample(50, 50), sample(50, 50))).toBe(0);
});

test("a processor whose failures rise far above its own past has degraded, and keeps that past", () => {
  expect(verdict(undefined, sample(200, 60), sample(2_000, 100))).toEqual({
    kind: "degraded",
    state: { since: 100, baseline: sample(2_000, 100), recoversAt: 0.05 + 0.1 / 2 },
  });
});

test("a rise that is small, or may be chance, changes nothing", () => {
  // Nine points, however sure.
  expect(verdict(undefined, sample(100_000, 14_000), sample(1_000_000, 50_000))).toEqual({
    kind: "unchanged",
  });
  // Twelve points of a small sample: 3.6 standard errors.
  expect(verdict(undefined, sample(60, 10), sample(600, 30))).toEqual({ kind: "unchanged" });
  // A processor of which nearly everything always fails.
  expect(verdict(undefined, sample(500, 500), sample(5_000, 4_900))).toEqual({ kind: "unchanged" });
});

test("too small a sample is never judged, whatever it shows", () => {
  expect(verdict(undefined, sample(49, 49), sample(10_000, 0))).toEqual({ kind: "unchanged" });
});

test("without a past of its own a processor degrades by the rate alone", () => {
  expect(verdict(undefined, sample(50, 24), sample(49, 0))).toEqual({ kind: "unchanged" });
  expect(verdict(undefined, sample(50, 25), none)).toEqual({
    kind: "degraded",
    state: { since: 100, baseline: null, recoversAt: 0.25 },
  });
});

test("it recovers halfway back, measured from where it was before, not from the trouble itself", () => {
  const state: Degraded = { since: 1, baseline: sample(2_000, 100), recoversAt: 0.1 };
  // Two hours into the trouble the hour before is as bad; that is not recovery.
  expect(verdict(state, sample(200, 60), sample(2_000, 600))).toEqual({ kind: "unchanged" });
  expect(verdict(state, sample(200, 21), sample(2_000, 600))).toEqual({ kind: "unchanged" });
  expect(verdict(state, sample(200, 20), sample(2_000, 600))).toEqual({ kind: "recovered", reason: "rate" });
});

test("a degraded processor with too few payments stays so while the hour tells of it, then goes quiet", () => {
  const state: Degraded = { since: 1, baseline: null, recoversAt: 0.25 };
  expect(verdict(state, sample(10, 0), sample(40, 40))).toEqual({ kind: "unchanged" });
  expect(verdict(state, sample(9, 0), sample(40, 40))).toEqual({ kind: "recovered", reason: "quiet" });
});

test("the sample that degrades a processor never recovers it: there is room between the two", () => {
  const samples = fc
    .nat(10_000)
    .chain((outcomes) => fc.nat(outcomes).map((failures) => sample(outcomes, failures)));
  fc.assert(
    fc.property(samples, samples, (now, before) => {
      const first = verdict(undefined, now, before);
      if (first.kind === "degraded") expect(verdict(first.state, now, before).kind).toBe("unchanged");
    }),
    { numRuns: 2_000 },
  );
});
