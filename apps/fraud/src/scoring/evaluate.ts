import type { FraudDecision } from "@payflow/contracts/internal-fraud.ts";
import type { CompiledPolicy, CompiledRule } from "../policies/compile-policy.ts";
import { type Action, actions, type Dimension, type Rule } from "../policies/policy.ts";

/** What rules know about a payment, its address in canonical spelling. Amount in minor units. */
export interface Facts {
  readonly amount: number;
  readonly currency: string;
  readonly customer: string | null;
  readonly card: string | null;
  readonly ip: string | null;
}

/**
 * What a measure saw, this payment included; null where it does not apply. `sample` counts attempts for
 * ratios.
 */
export type Reading = { readonly value: number; readonly sample: number } | null;

/** The outcome of a policy for one payment. */
export interface Verdict {
  readonly decision: FraudDecision;
  /** 0 to 100. */
  readonly score: number;
  /** Names of the enforced rules that triggered and act, in the policy's order. */
  readonly rules: readonly string[];
  /** What each rule of the policy saw, in its order; null where it was not judged. Lists see 1 or 0. */
  readonly seen: readonly (number | null)[];
  /** The rule to name where only one can be: the strictest, then the heaviest. */
  readonly trigger: string | null;
}

/**
 * The payment's value for a dimension; null when the payment does not say. A tenant's counters need no value.
 */
export function dimensionValue(facts: Facts, dimension: Dimension): string | null {
  return dimension === "tenant" ? "" : facts[dimension];
}

/** Judges one payment: the stricter of the triggered actions and the tier of the summed weights. */
export function evaluate(policy: CompiledPolicy, facts: Facts, readings: readonly Reading[]): Verdict {
  const seen = policy.rules.map((rule) => look(rule, facts, readings));
  const triggered = policy.rules
    .map(({ rule }) => rule)
    .filter((rule, index) => rule.mode === "enforce" && isTriggered(rule, seen[index] ?? null));
  const isAllowed = triggered.some((rule) => rule.kind === "list" && rule.effect === "allow");
  const acting = triggered.filter(isActing).filter((rule) => rule.kind === "list" || !isAllowed);
  const score = scoreOf(acting);
  const tier = policy.policy.tiers.findLast((one) => one.min_score <= score);
  const strictest = [...acting].sort(
    (left, right) => strictness(right.action) - strictness(left.action) || right.weight - left.weight,
  )[0];
  return {
    decision: stricter(strictest?.action ?? "allow", tier?.action ?? "allow"),
    score,
    rules: [...new Set(acting.map((rule) => rule.name))],
    seen,
    trigger: strictest?.name ?? null,
  };
}

type ActingRule = Rule & { readonly action: Action; readonly weight: number };

function isActing(rule: Rule): rule is ActingRule {
  return "action" in rule;
}

/** Rules of one name watch for one thing by several keys: together they weigh as much as their heaviest. */
function scoreOf(acting: readonly ActingRule[]): number {
  const weights = new Map<string, number>();
  for (const rule of acting) weights.set(rule.name, Math.max(rule.weight, weights.get(rule.name) ?? 0));
  return Math.min(
    100,
    [...weights.values()].reduce((sum, weight) => sum + weight, 0),
  );
}

function look({ rule, measure, isListed }: CompiledRule, facts: Facts, readings: readonly Reading[]) {
  if (rule.mode === "off") return null;
  if (rule.kind === "amount") {
    return rule.currency === undefined || rule.currency === facts.currency ? facts.amount : null;
  }
  if (rule.kind === "list") {
    const value = facts[rule.field];
    return value === null || isListed === undefined ? null : Number(isListed(value));
  }
  const reading = measure === undefined ? null : (readings[measure] ?? null);
  if (reading === null) return null;
  if (rule.kind === "velocity" && rule.measure === "fail_ratio") {
    return reading.sample < rule.min_sample ? null : Math.min(1, reading.value / reading.sample);
  }
  return reading.value;
}

/**
 * Whether a rule triggers on what it saw. A velocity limit is what still passes, this payment included; a
 * limit of failures is the number that is too many, since this payment has not failed yet.
 */
export function isTriggered(rule: Rule, seen: number | null): boolean {
  if (seen === null) return false;
  if (rule.kind === "repeat_failure") return seen >= rule.limit;
  return seen > limitOf(rule);
}

/** The limit a rule compares with: an amount's `max`, none (0) for lists. */
export function limitOf(rule: Rule): number {
  if (rule.kind === "list") return 0;
  return rule.kind === "amount" ? rule.max : rule.limit;
}

/** How strict a decision is, from 0 for `allow`. */
export function strictness(decision: FraudDecision): number {
  return decision === "allow" ? 0 : actions.indexOf(decision) + 1;
}

function stricter(left: FraudDecision, right: FraudDecision): FraudDecision {
  return strictness(left) >= strictness(right) ? left : right;
}
