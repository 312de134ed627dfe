import type { PolicyTenantsBody, PolicyTest, PutPolicyBody } from "@payflow/contracts/internal-fraud.ts";
import { governedId } from "@payflow/contracts/internal-operator.ts";
import type { Tenant } from "../tenant/tenant.resource.ts";
import type { FraudPolicySpec } from "./fraud-policy.resource.ts";
import type { PolicyRule } from "./rule.resource.ts";

/** What the fraud app is told of a policy: all that its resource says, in that app's words. */
export function policyBody({ mode, thresholds, rules, failMode, tests }: FraudPolicySpec): PutPolicyBody {
  return {
    mode: lower(mode),
    thresholds,
    rules: rules.map(ruleBody),
    fail_mode: lower(failMode),
    tests: tests.map(testBody),
  };
}

/** The tenants that refer to a policy, each as of its own generation. */
export function policyTenants(tenants: readonly Tenant[]): PolicyTenantsBody["tenants"] {
  return tenants
    .map(({ metadata }) => ({ tenant_id: governedId("ten", metadata.uid), generation: metadata.generation }))
    .sort((left, right) => (left.tenant_id < right.tenant_id ? -1 : 1));
}

/** A rule as `PUT /fraud/policy` has it. */
function ruleBody(rule: PolicyRule): Record<string, unknown> {
  const { name, id, mode, action, weight } = rule;
  return {
    name,
    ...(id === undefined ? {} : { id }),
    mode: lower(mode),
    ...(action === undefined ? {} : { action: lower(action) }),
    ...(weight === undefined ? {} : { weight }),
    ...(countingBody(rule) ?? plainBody(rule)),
  };
}

/** What a rule that counts looks at; undefined for the others. */
function countingBody(rule: PolicyRule): Record<string, unknown> | undefined {
  const { count, sum, distinct, failRatio, repeatFailure } = rule;
  if (count !== undefined) return { ...velocity("count", count), limit: count.limit };
  if (sum !== undefined) {
    return { ...velocity("sum", sum), currency: sum.currency, limit: sum.limitMinor };
  }
  if (distinct !== undefined) {
    return { ...velocity("distinct", distinct), of: lower(distinct.of), limit: distinct.limit };
  }
  if (failRatio !== undefined) {
    const limit = failRatio.limitPercent / 100;
    return { ...velocity("fail_ratio", failRatio), limit, min_sample: failRatio.minSample };
  }
  if (repeatFailure !== undefined) {
    return { kind: "repeat_failure", ...windowed(repeatFailure), limit: repeatFailure.limit };
  }
  return undefined;
}

function plainBody({ amount, deny, allow }: PolicyRule): Record<string, unknown> {
  if (amount !== undefined) {
    const { currency, maxMinor } = amount;
    return { kind: "amount", ...(currency === undefined ? {} : { currency }), max: maxMinor };
  }
  if (deny !== undefined) return listBody("deny", deny);
  if (allow !== undefined) return listBody("allow", allow);
  // The API server lets no rule through that has none of its kinds.
  throw new Error("A rule looks at nothing.");
}

type Windowed = NonNullable<PolicyRule["count"]>;

function velocity(measure: string, window: Pick<Windowed, "key" | "windowSeconds">) {
  return { kind: "velocity", measure, ...windowed(window) };
}

function windowed({ key, windowSeconds }: Pick<Windowed, "key" | "windowSeconds">) {
  return { key: lower(key), window_seconds: windowSeconds };
}

function listBody(effect: "deny" | "allow", { field, values }: NonNullable<PolicyRule["deny"]>) {
  return { kind: "list", effect, field: lower(field), values };
}

function testBody({ name, payment, expect }: FraudPolicySpec["tests"][number]): PolicyTest {
  const { amountMinor, currency, customerId, cardFingerprint, ip, seen } = payment;
  // One of the two stands in each, and a share is a number from 0 to 1 there.
  const values = seen.map(({ rule, value, percent = 0 }) => [rule, value ?? percent / 100] as const);
  return {
    name,
    payment: {
      amount: amountMinor,
      currency,
      ...(customerId === undefined ? {} : { customer_id: customerId }),
      ...(cardFingerprint === undefined ? {} : { card_fingerprint: cardFingerprint }),
      ...(ip === undefined ? {} : { ip }),
      ...(seen.length === 0 ? {} : { seen: Object.fromEntries(values) }),
    },
    expect: lower(expect),
  };
}

/** A resource's words are capitalized, those of our APIs are not. */
function lower<Word extends string>(word: Word): Lowercase<Word> {
  // What TypeScript's Lowercase says of a literal is what this does.
  return word.toLowerCase() as Lowercase<Word>;
}
