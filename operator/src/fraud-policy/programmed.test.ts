import { expect, test } from "bun:test";
import type { InternalPolicy } from "@payflow/contracts/internal-fraud.ts";
import { appliedReplicas, nextCount, policyProgress, programmed } from "./programmed.ts";

const taken = (applied: number, running: number): InternalPolicy => ({
  policy_id: "fpl_1",
  mode: "enforce",
  hash: "0".repeat(64),
  generation: 3,
  matched_tenants: 2,
  replicas: { applied, running },
  updated_at: "2026-03-01T10:00:00Z",
});

test("a policy is ready once every running replica decides by it", () => {
  expect(policyProgress(taken(2, 2), false)).toMatchObject({ state: "ready", reason: "Programmed" });
  expect(policyProgress(taken(1, 2), true)).toMatchObject({
    state: "reconciling",
    message: "1 of 2 replicas of the fraud app decide by it.",
  });
  expect(appliedReplicas(taken(1, 2))).toBe("1/2");
});

test("while no replica is known to run, what was programmed stays so and what was not waits", () => {
  expect(policyProgress(taken(0, 0), true)).toEqual(policyProgress(taken(2, 2), true));
  expect(policyProgress(taken(0, 0), false).state).toBe("reconciling");
});

test("replicas that are behind are counted within seconds, and anew from the beginning where something moved", () => {
  const next = (policy: InternalPolicy) => nextCount(policyProgress(policy, false), policy, 60_000);
  expect(next(taken(2, 2))).toEqual({ afterMs: 60_000 });
  const waiting = next(taken(1, 2)).waiting;
  expect(waiting?.backoff.maxMs).toBeLessThanOrEqual(5_000);
  expect(next(taken(1, 2)).waiting).toEqual(waiting);
  const moved = [taken(1, 3), taken(2, 3), { ...taken(1, 2), generation: 4 }, { ...taken(1, 2), hash: "1" }];
  const reasons = [taken(1, 2), ...moved].map((policy) => next(policy).waiting?.reason);
  expect(new Set(reasons).size).toBe(5);
});

test("a refused policy is not programmed, and says which version stays in force", () => {
  const refused = { state: "stalled", reason: "PolicyTestFailed", message: "It fails: large." } as const;
  expect(programmed(refused, taken(2, 2))).toMatchObject({
    status: "False",
    reason: "PolicyTestFailed",
    message: "It fails: large. Generation 3 stays in force.",
  });
  expect(programmed(refused, undefined).message).toBe("It fails: large.");
  expect(programmed(policyProgress(taken(1, 2), true), taken(1, 2))).toMatchObject({ status: "False" });
  expect(programmed(policyProgress(taken(2, 2), false), taken(2, 2))).toMatchObject({ status: "True" });
});
