import type { Dimension, Policy, Rule } from "../src/policies/policy.ts";
import type { Facts } from "../src/scoring/evaluate.ts";

/** One thing that happened, at a time in milliseconds. */
export type Happening =
  | { readonly kind: "payment"; readonly id: string; readonly atMs: number; readonly facts: Facts }
  | { readonly kind: "failure"; readonly id: string; readonly atMs: number; readonly facts: Facts };

/** What a rule sees by the plainest means: everything that ever happened is kept and looked through. */
export function seenByModel(
  rule: Rule,
  history: readonly Happening[],
  now: Happening,
): readonly number[] | null {
  if (rule.kind !== "velocity" && rule.kind !== "repeat_failure") throw new Error("not a rule of windows");
  const own = keyOf(now.facts, rule.key);
  if (own === null) return null;
  const within = history.filter(
    (one) => one.atMs > now.atMs - rule.window_seconds * 1_000 && keyOf(one.facts, rule.key) === own,
  );
  const payments = within.filter((one) => one.kind === "payment");
  const failures = new Set(within.filter((one) => one.kind === "failure").map((one) => one.id));
  if (rule.kind === "repeat_failure") return [failures.size];
  switch (rule.measure) {
    case "count":
      return [payments.length];
    case "sum": {
      if (now.facts.currency !== rule.currency) return null;
      const counted = payments.filter((one) => one.facts.currency === rule.currency);
      return [counted.reduce((sum, one) => sum + one.facts.amount, 0)];
    }
    case "distinct": {
      if (keyOf(now.facts, rule.of) === null) return null;
      return [new Set(payments.map((one) => keyOf(one.facts, rule.of)).filter((one) => one !== null)).size];
    }
    case "fail_ratio":
      return [failures.size, payments.length];
  }
}

function keyOf(facts: Facts, dimension: Dimension): string | null {
  return dimension === "tenant" ? "" : facts[dimension];
}

const acting = { mode: "enforce", weight: 0, action: "flag" } as const;

/** A policy with a rule of every kind that looks into a window, by every key. */
export function windowPolicy(windows: readonly number[]): Policy {
  const keys: readonly Dimension[] = ["tenant", "customer", "card", "ip"];
  const rules = keys.flatMap((key) =>
    windows.flatMap((window_seconds): Rule[] => {
      const named = (name: string) => ({ name, id: `${name}:${key}:${window_seconds}`, key, window_seconds });
      const velocity = { kind: "velocity", limit: 0, ...acting } as const;
      return [
        { ...velocity, ...named("count"), measure: "count" },
        { ...velocity, ...named("sum"), measure: "sum", currency: "INR" },
        { ...velocity, ...named("ratio"), measure: "fail_ratio", min_sample: 1 },
        { ...velocity, ...named("distinct"), measure: "distinct", of: key === "card" ? "customer" : "card" },
        { ...named("failures"), kind: "repeat_failure", limit: 1, ...acting },
      ];
    }),
  );
  return { rules, tiers: [], fail_mode: "review", late_block: "flag" };
}
