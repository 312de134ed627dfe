import { expect, test } from "bun:test";
import { FakeClock } from "@payflow/testkit/fake-clock.ts";
import { progressFindings, withFindings } from "./conditions.ts";

const stalled = { state: "stalled", reason: "Refused", message: "The name is taken." } as const;
const ready = { state: "ready", reason: "Settled", message: "All is as wanted." } as const;

test("kstatus reads one truth: Ready, Reconciling and Stalled are never true together", () => {
  for (const state of ["ready", "reconciling", "stalled"] as const) {
    const findings = progressFindings({ state, reason: "Because", message: "It is so." });
    expect(findings.map(({ type }) => type)).toEqual(["Ready", "Reconciling", "Stalled"]);
    expect(findings.filter(({ status }) => status === "True").map(({ type }) => type.toLowerCase())).toEqual([
      state,
    ]);
    expect(findings[0]?.message).toBe("It is so.");
  }
});

test("a condition keeps its time while its status stays, and the list itself while nothing changes", () => {
  const clock = new FakeClock("2026-01-01T00:00:00Z");
  const first = withFindings([], progressFindings(stalled), 1, clock.date());
  clock.advance(60_000);
  expect(withFindings(first, progressFindings(stalled), 1, clock.date())).toBe(first);
  const told = withFindings(first, progressFindings({ ...stalled, message: "Still." }), 2, clock.date());
  expect(told[0]).toMatchObject({ message: "Still.", observedGeneration: 2 });
  expect(told[0]?.lastTransitionTime).toBe("2026-01-01T00:00:00Z");
  const well = withFindings(told, progressFindings(ready), 2, clock.date());
  expect(well.map(({ type, lastTransitionTime }) => [type, lastTransitionTime])).toEqual([
    ["Ready", "2026-01-01T00:01:00Z"],
    ["Reconciling", "2026-01-01T00:00:00Z"],
    ["Stalled", "2026-01-01T00:01:00Z"],
  ]);
});
