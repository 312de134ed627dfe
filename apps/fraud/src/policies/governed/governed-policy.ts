import { DomainError, type FieldError } from "@payflow/contracts/errors.ts";
import {
  fraudDecisions,
  type PolicyMode,
  type PolicyTest,
  type PutPolicyBody,
} from "@payflow/contracts/internal-fraud.ts";
import { dimensionValue, evaluate, type Facts, type Reading } from "../../scoring/evaluate.ts";
import { canonicalAddress } from "../addresses.ts";
import { type CompiledPolicy, compilePolicy, type Measure } from "../compile-policy.ts";
import type { Policy, Rule } from "../policy.ts";
import { readPolicy } from "../read-policy.ts";

/** What a resource's spec says when it is enforced. Throws `invalid_request` naming every wrong field. */
export function writtenPolicy({ rules, thresholds, fail_mode }: PutPolicyBody): Policy {
  const tiers = fraudDecisions.flatMap((action) => {
    const min_score = action === "allow" ? undefined : thresholds[action];
    return min_score === undefined ? [] : [{ min_score, action }];
  });
  try {
    return readPolicy({ rules, tiers, fail_mode });
  } catch (error) {
    if (!(error instanceof DomainError) || error.errors === undefined) throw error;
    const errors = error.errors.map((one) => ({
      ...one,
      pointer: one.pointer.replace(/^\/tiers/, "/thresholds"),
    }));
    throw new DomainError(error.reason, error.detail, { errors });
  }
}

/** What of a policy acts in its mode: in `shadow` it only records, and no payment waits for its score. */
export function policyInMode(written: Policy, mode: PolicyMode): Policy {
  if (mode === "enforce") return written;
  const rules = mode === "off" ? [] : written.rules.map(inShadow);
  return { ...written, rules, tiers: [], fail_mode: "allow" };
}

function inShadow(rule: Rule): Rule {
  return rule.mode === "enforce" ? { ...rule, mode: "shadow" } : rule;
}

/** The tests that a policy fails, with what it says instead; none where it passes all. */
export function failedTests(policy: Policy, tests: readonly PolicyTest[]): readonly FieldError[] {
  const compiled = compilePolicy(policy);
  return tests.flatMap((test, index): FieldError[] => {
    const problem = problemOf(compiled, test);
    return problem === null ? [] : [{ pointer: `/tests/${index}`, message: `${test.name}: ${problem}` }];
  });
}

function problemOf(policy: CompiledPolicy, { payment, expect }: PolicyTest): string | null {
  const facts: Facts = {
    amount: payment.amount,
    currency: payment.currency,
    customer: payment.customer_id ?? null,
    card: payment.card_fingerprint ?? null,
    ip: payment.ip === undefined ? null : canonicalAddress(payment.ip),
  };
  const readings = policy.measures.map((measure) => alone(measure, facts));
  for (const [id, value] of Object.entries(payment.seen ?? {})) {
    const found = policy.rules.find(({ rule }) => rule.id === id);
    if (found?.measure === undefined) return `no rule that counts has the id ${id}`;
    readings[found.measure] = given(found.rule, value);
  }
  const verdict = evaluate(policy, facts, readings);
  if (verdict.decision === expect) return null;
  const by = verdict.rules.length === 0 ? "no rule" : verdict.rules.join(", ");
  return `expected ${expect}, and the policy says ${verdict.decision} (score ${verdict.score}, by ${by})`;
}

/** What a measure sees of a payment that is the first of everybody's. */
function alone(measure: Measure, facts: Facts): Reading {
  if (dimensionValue(facts, measure.key) === null) return null;
  switch (measure.kind) {
    case "count":
      return { value: 1, sample: 1 };
    case "failures":
      return { value: 0, sample: 0 };
    case "fail_ratio":
      return { value: 0, sample: 1 };
    case "sum":
      return measure.currency === facts.currency ? { value: facts.amount, sample: facts.amount } : null;
    case "distinct":
      return dimensionValue(facts, measure.of) === null ? null : { value: 1, sample: 1 };
  }
}

/** What a test says that a rule sees; a ratio is one of just as many payments as the rule wants. */
function given(rule: Rule, value: number): Reading {
  if (rule.kind !== "velocity" || rule.measure !== "fail_ratio") return { value, sample: value };
  return { value: value * rule.min_sample, sample: rule.min_sample };
}
