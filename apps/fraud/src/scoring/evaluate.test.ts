import { expect, test } from "bun:test";
import { compilePolicy } from "../policies/compile-policy.ts";
import { defaultPolicy } from "../policies/default-policy.ts";
import { readPolicy } from "../policies/read-policy.ts";
import { evaluate, type Facts, type Reading } from "./evaluate.ts";

const facts: Facts = { amount: 1_000, currency: "INR", customer: "ada", card: "red", ip: "192.0.2.1" };
const seen = (value: number, sample = value): Reading => ({ value, sample });

function decide(body: unknown, readings: readonly Reading[] = [], given: Partial<Facts> = {}): unknown {
  const { decision, score, rules, seen } = evaluate(
    compilePolicy(readPolicy(body)),
    { ...facts, ...given },
    readings,
  );
  return { decision, score, rules, seen };
}
const one = (rule: object) => ({ rules: [{ name: "rule", action: "block", weight: 30, ...rule }] });
const velocity = { kind: "velocity", key: "customer", window_seconds: 60 };
const passed = { decision: "allow", score: 0, rules: [] };
const blocked = { decision: "block", score: 30, rules: ["rule"] };

test("velocity by count lets the limit pass and stops the next", () => {
  const policy = one({ ...velocity, measure: "count", limit: 10 });
  expect(decide(policy, [seen(10)])).toEqual({ ...passed, seen: [10] });
  expect(decide(policy, [seen(11)])).toEqual({ ...blocked, seen: [11] });
  expect(decide(policy, [null])).toEqual({ ...passed, seen: [null] });
});

test("velocity by sum lets the limit pass and stops what goes beyond it", () => {
  const policy = one({ ...velocity, measure: "sum", currency: "INR", limit: 5_000 });
  expect(decide(policy, [seen(5_000)])).toMatchObject(passed);
  expect(decide(policy, [seen(5_001)])).toMatchObject(blocked);
});

test("velocity by distinct values stops the first value too many", () => {
  const policy = one({ ...velocity, key: "ip", measure: "distinct", of: "card", limit: 3 });
  expect(decide(policy, [seen(3)])).toMatchObject(passed);
  expect(decide(policy, [seen(4)])).toMatchObject(blocked);
});

test("a ratio of failures is judged from the smallest sample on, and never counts as more than all", () => {
  const policy = one({ ...velocity, measure: "fail_ratio", limit: 0.5, min_sample: 10 });
  expect(decide(policy, [seen(9, 9)])).toEqual({ ...passed, seen: [null] });
  expect(decide(policy, [seen(5, 10)])).toEqual({ ...passed, seen: [0.5] });
  expect(decide(policy, [seen(6, 10)])).toEqual({ ...blocked, seen: [0.6] });
  expect(decide(policy, [seen(30, 10)])).toEqual({ ...blocked, seen: [1] });
});

test("repeated failures stop the payment after the last one that is tolerated", () => {
  const policy = one({ kind: "repeat_failure", key: "card", limit: 3, window_seconds: 600 });
  expect(decide(policy, [seen(2)])).toMatchObject(passed);
  expect(decide(policy, [seen(3)])).toMatchObject(blocked);
});

test("an amount rule looks at its currency alone, or at every one", () => {
  const inr = one({ kind: "amount", currency: "INR", max: 1_000 });
  expect(decide(inr)).toMatchObject(passed);
  expect(decide(inr, [], { amount: 1_001 })).toMatchObject(blocked);
  expect(decide(inr, [], { amount: 1_001, currency: "USD" })).toEqual({ ...passed, seen: [null] });
  expect(decide(one({ kind: "amount", max: 1_000 }), [], { amount: 1_001, currency: "USD" })).toMatchObject(
    blocked,
  );
});

test("a deny list stops listed customers, cards, addresses and ranges", () => {
  const deny = (field: string, values: string[]) => one({ kind: "list", effect: "deny", field, values });
  expect(decide(deny("customer", ["ada"]))).toMatchObject(blocked);
  expect(decide(deny("customer", ["Ada"]))).toMatchObject(passed);
  expect(decide(deny("card", ["blue", "red"]))).toMatchObject(blocked);
  expect(decide(deny("ip", ["192.0.2.0/24"]))).toMatchObject(blocked);
  expect(decide(deny("ip", ["192.0.3.0/24", "2001:db8::/32"]))).toMatchObject(passed);
  expect(decide(deny("ip", ["2001:db8::/32"]), [], { ip: "2001:db8::7" })).toMatchObject(blocked);
  expect(decide(deny("ip", ["192.0.2.1"]), [], { ip: null })).toEqual({ ...passed, seen: [null] });
});

test("an allow list overrules every rule but a deny list", () => {
  const allow = { kind: "list", name: "friends", effect: "allow", field: "customer", values: ["ada"] };
  const amount = { kind: "amount", name: "amount", max: 1, action: "block", weight: 50 };
  const deny = {
    kind: "list",
    name: "foes",
    effect: "deny",
    field: "ip",
    values: ["192.0.2.1"],
    action: "review",
  };
  expect(decide({ rules: [amount, allow] })).toEqual({ ...passed, seen: [1_000, 1] });
  expect(decide({ rules: [amount, allow, deny] })).toMatchObject({ decision: "review", rules: ["foes"] });
  expect(decide({ rules: [amount, { ...allow, mode: "shadow" }] })).toMatchObject({ decision: "block" });
});

test("shadow rules are recorded and never act; rules that are off are not looked at", () => {
  const rule = { kind: "amount", max: 1 };
  expect(decide(one({ ...rule, mode: "shadow" }))).toEqual({ ...passed, seen: [1_000] });
  expect(decide(one({ ...rule, mode: "off" }))).toEqual({ ...passed, seen: [null] });
});

test("the decision is the stricter of the actions and of the tier that the summed weights reach", () => {
  const rules = ["first", "second"].map((name) => ({
    kind: "amount",
    name,
    max: 1,
    action: "flag",
    weight: 45,
  }));
  const tiers = [
    { min_score: 90, action: "block" },
    { min_score: 50, action: "review" },
  ];
  expect(decide({ rules: rules.slice(0, 1), tiers })).toMatchObject({ decision: "flag", score: 45 });
  expect(decide({ rules, tiers })).toMatchObject({
    decision: "block",
    score: 90,
    rules: ["first", "second"],
  });
  expect(decide({ rules: [{ ...rules[0], action: "block" }], tiers })).toMatchObject({ decision: "block" });
});

test("rules of one name weigh as much as their heaviest, and the score ends at 100", () => {
  const rule = { kind: "amount", max: 1, action: "flag" };
  const named = (name: string, id: string, weight: number) => ({ ...rule, name, id, weight });
  expect(decide({ rules: [named("same", "a", 40), named("same", "b", 60)] })).toMatchObject({
    score: 60,
    rules: ["same"],
  });
  expect(decide({ rules: [named("a", "a", 70), named("b", "b", 70)] })).toMatchObject({ score: 100 });
});

test("the default policy blocks by customer and card, reviews large amounts, and only watches the tenant", () => {
  const policy = compilePolicy(
    defaultPolicy({ velocityWindowSeconds: 60, velocityMaxPayments: 10, amountThresholdMinor: 500_000 }),
  );
  const judge = (given: Partial<Facts>, by: Partial<Record<string, number>>) =>
    evaluate(
      policy,
      { ...facts, ...given },
      policy.measures.map((measure) => seen(by[`${measure.kind}:${measure.key}`] ?? 0)),
    );
  expect(judge({}, { "count:customer": 10, "count:card": 10, "failures:card": 2 })).toMatchObject(passed);
  expect(judge({}, { "count:customer": 11 })).toMatchObject({ decision: "block", rules: ["velocity_check"] });
  expect(judge({}, { "count:card": 11 })).toMatchObject({ decision: "block", score: 60 });
  expect(judge({}, { "failures:customer": 3 })).toMatchObject({
    decision: "block",
    rules: ["repeat_failure"],
  });
  expect(judge({ amount: 500_001 }, {})).toMatchObject({ decision: "review", rules: ["amount_threshold"] });
  expect(judge({ amount: 500_000 }, {})).toMatchObject(passed);
  expect(judge({}, { "count:tenant": 1_000, "failures:tenant": 1_000 })).toMatchObject(passed);
});
