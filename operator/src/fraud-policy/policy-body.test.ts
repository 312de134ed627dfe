import { expect, test } from "bun:test";
import { PutPolicyBody } from "@payflow/contracts/internal-fraud.ts";
import { governedId } from "@payflow/contracts/internal-operator.ts";
import { Value } from "@sinclair/typebox/value";
import type { Tenant } from "../tenant/tenant.resource.ts";
import type { FraudPolicySpec } from "./fraud-policy.resource.ts";
import { policyBody, policyTenants } from "./policy-body.ts";
import type { PolicyRule } from "./rule.resource.ts";

const spec: FraudPolicySpec = {
  mode: "Shadow",
  thresholds: { review: 60 },
  rules: [],
  failMode: "Review",
  tests: [],
};
const rule = (looksAt: Partial<PolicyRule>) => {
  const given: PolicyRule = { name: "watch", mode: "Enforce", action: "Block", weight: 5, ...looksAt };
  return policyBody({ ...spec, rules: [given] }).rules[0];
};
const own = { name: "watch", mode: "enforce", action: "block", weight: 5 };
const window = { key: "Card", windowSeconds: 60 } as const;
const told = { key: "card", window_seconds: 60 };

test("each kind of rule becomes the one that REST knows it by", () => {
  expect(rule({ count: { ...window, limit: 3 } })).toEqual({
    ...{ ...own, ...told, kind: "velocity", measure: "count", limit: 3 },
  });
  expect(rule({ sum: { ...window, currency: "INR", limitMinor: 9 } })).toEqual({
    ...{ ...own, ...told, kind: "velocity", measure: "sum", currency: "INR", limit: 9 },
  });
  expect(rule({ distinct: { ...window, of: "IP", limit: 2 } })).toEqual({
    ...{ ...own, ...told, kind: "velocity", measure: "distinct", of: "ip", limit: 2 },
  });
  expect(rule({ failRatio: { ...window, limitPercent: 25, minSample: 10 } })).toEqual({
    ...{ ...own, ...told, kind: "velocity", measure: "fail_ratio", limit: 0.25, min_sample: 10 },
  });
  expect(rule({ repeatFailure: { ...window, limit: 3 } })).toEqual({
    ...{ ...own, ...told, kind: "repeat_failure", limit: 3 },
  });
  expect(rule({ amount: { maxMinor: 5 } })).toEqual({ ...own, kind: "amount", max: 5 });
  expect(rule({ deny: { field: "Customer", values: ["eve"] } })).toEqual({
    ...{ ...own, kind: "list", effect: "deny", field: "customer", values: ["eve"] },
  });
  const allow: PolicyRule = { name: "known", mode: "Off", allow: { field: "IP", values: ["10.0.0.0/8"] } };
  expect(policyBody({ ...spec, rules: [allow] }).rules).toEqual([
    { name: "known", mode: "off", kind: "list", effect: "allow", field: "ip", values: ["10.0.0.0/8"] },
  ]);
});

test("tests say what rules see by their ids, shares as numbers up to 1", () => {
  const seen = [
    { rule: "velocity:card", value: 11 },
    { rule: "ratio:card", percent: 30 },
  ];
  const tests: FraudPolicySpec["tests"] = [
    { name: "many", payment: { amountMinor: 1, currency: "INR", ip: "::1", seen }, expect: "Block" },
    {
      name: "plain",
      payment: { amountMinor: 2, currency: "EUR", customerId: "ada", seen: [] },
      expect: "Allow",
    },
  ];
  const body = policyBody({ ...spec, tests });
  expect(body.tests).toEqual([
    {
      name: "many",
      payment: { amount: 1, currency: "INR", ip: "::1", seen: { "velocity:card": 11, "ratio:card": 0.3 } },
      expect: "block",
    },
    { name: "plain", payment: { amount: 2, currency: "EUR", customer_id: "ada" }, expect: "allow" },
  ]);
  expect(Value.Check(PutPolicyBody, body)).toBe(true);
  expect(body).toMatchObject({ mode: "shadow", fail_mode: "review", thresholds: { review: 60 } });
});

test("tenants are told by their ids and generations, in one order", () => {
  // Nothing but the metadata of a tenant is looked at.
  const tenant = (uid: string, generation: number) => ({ metadata: { uid, generation } }) as Tenant;
  const told = policyTenants([tenant("b", 2), tenant("a", 1)]);
  expect(told).toEqual(policyTenants([tenant("a", 1), tenant("b", 2)]));
  expect(told).toContainEqual({ tenant_id: governedId("ten", "b"), generation: 2 });
});
