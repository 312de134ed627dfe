import { expect, test } from "bun:test";
import type { InternalPolicy } from "@payflow/contracts/internal-fraud.ts";
import type { FraudPolicy, FraudPolicyStatus } from "./fraud-policy.resource.ts";
import { driftedFields, hasToBePut, planFor, wasProgrammed } from "./fraud-policy.ts";

const metadata = {
  ...{ namespace: "shop", name: "strict", uid: "u", resourceVersion: "1", generation: 2 },
  creationTimestamp: "2026-03-01T10:00:00Z",
};
const policy = (status?: FraudPolicyStatus, more: object = {}): FraudPolicy => ({
  metadata: { ...metadata, ...more },
  spec: { mode: "Enforce", thresholds: {}, rules: [], failMode: "Review", tests: [] },
  ...(status === undefined ? {} : { status }),
});
const settled: FraudPolicyStatus = { observedGeneration: 2, hash: "abc", policyId: "fpl_1" };
const inForce: InternalPolicy = {
  policy_id: "fpl_1",
  mode: "enforce",
  hash: "abc",
  generation: 2,
  matched_tenants: 0,
  replicas: { applied: 1, running: 1 },
  updated_at: "2026-03-01T10:00:00Z",
};
const wanted = { mode: "enforce" } as const;

test("what is paused is left alone, its deletion too", () => {
  const paused = { annotations: { "payflow.dev/paused": "true" } };
  const deleted = { deletionTimestamp: "2026-03-01T10:00:00Z" };
  expect(planFor(policy(undefined, { ...paused, ...deleted }))).toBe("leave");
  expect(planFor(policy(undefined, deleted))).toBe("remove");
  expect(planFor(policy())).toBe("converge");
});

test("a policy is put when it is new, changed, refused before, forced or drifted, and else only looked at", () => {
  const put = (one: FraudPolicy, found: InternalPolicy | undefined) =>
    hasToBePut(one, driftedFields(one, wanted, found), found);
  expect(put(policy(settled), inForce)).toBe(false);
  expect(put(policy(), undefined)).toBe(true);
  expect(put(policy({ ...settled, observedGeneration: 1 }), { ...inForce, generation: 1 })).toBe(true);
  expect(put(policy(settled), { ...inForce, generation: 1 })).toBe(true);
  expect(put(policy(settled, { annotations: { "payflow.dev/force-sync": "a" } }), inForce)).toBe(true);
  expect(put(policy(settled), undefined)).toBe(true);
});

test("drift is what differs from what this very generation has put, and has a name", () => {
  expect(driftedFields(policy(settled), wanted, inForce)).toEqual([]);
  expect(driftedFields(policy(settled), wanted, { ...inForce, mode: "off", hash: "x" })).toEqual([
    "mode",
    "rules",
  ]);
  expect(driftedFields(policy(settled), wanted, undefined)).toEqual(["policy"]);
  expect(driftedFields(policy(settled), wanted, { ...inForce, generation: 1, hash: "x" })).toEqual([]);
  expect(driftedFields(policy({ ...settled, observedGeneration: 1 }), wanted, undefined)).toEqual([]);
});

test("only of the version that the status names is it believed that it was in force everywhere", () => {
  const said = {
    ...{ type: "Programmed", reason: "Programmed", message: "", observedGeneration: 2 },
    status: "True" as const,
    lastTransitionTime: "2026-03-01T10:00:00Z",
  };
  expect(wasProgrammed(policy({ ...settled, conditions: [said] }), inForce)).toBe(true);
  expect(wasProgrammed(policy(settled), inForce)).toBe(false);
  expect(wasProgrammed(policy({ ...settled, conditions: [said] }), { ...inForce, hash: "x" })).toBe(false);
  const earlier = { ...said, observedGeneration: 1 };
  expect(wasProgrammed(policy({ ...settled, conditions: [earlier] }), inForce)).toBe(false);
});
