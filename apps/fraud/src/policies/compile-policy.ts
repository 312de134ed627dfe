import { type AddressRange, inRanges, parseRange, sortableAddress } from "./addresses.ts";
import { type Dimension, type Policy, policyHash, type Rule } from "./policy.ts";

/** What a rule has counted for it. Rules that look at the same thing share one measure. */
export type Measure = { readonly key: Dimension; readonly windowSeconds: number } & (
  | { readonly kind: "count" | "failures" | "fail_ratio" }
  | { readonly kind: "sum"; readonly currency: string }
  | { readonly kind: "distinct"; readonly of: Dimension }
);

export interface CompiledRule {
  readonly rule: Rule;
  /** Index into the policy's measures, for rules that need one. */
  readonly measure: number | undefined;
  /** For lists: whether a value of the rule's field is listed. */
  readonly isListed: ((value: string) => boolean) | undefined;
}

/** A policy made ready for scoring. */
export interface CompiledPolicy {
  readonly policy: Policy;
  readonly hash: string;
  readonly measures: readonly Measure[];
  readonly rules: readonly CompiledRule[];
}

/** Gathers what a policy wants measured and prepares its lists. Rules that are off measure nothing. */
export function compilePolicy(policy: Policy): CompiledPolicy {
  const measures: Measure[] = [];
  const known = new Map<string, number>();
  const addressOf = readingOnce();
  const indexOf = (measure: Measure): number => {
    const name = JSON.stringify(measure);
    const index = known.get(name) ?? measures.push(measure) - 1;
    known.set(name, index);
    return index;
  };
  const rules = policy.rules.map((rule): CompiledRule => {
    const measure = rule.mode === "off" ? undefined : measureOf(rule);
    return {
      rule,
      measure: measure === undefined ? undefined : indexOf(measure),
      isListed: rule.kind === "list" ? listing(rule.field, rule.values, addressOf) : undefined,
    };
  });
  return { policy, hash: policyHash(policy), measures, rules };
}

function measureOf(rule: Rule): Measure | undefined {
  if (rule.kind !== "velocity" && rule.kind !== "repeat_failure") return undefined;
  const common = { key: rule.key, windowSeconds: rule.window_seconds };
  if (rule.kind === "repeat_failure") return { kind: "failures", ...common };
  if (rule.measure === "sum") return { kind: "sum", ...common, currency: rule.currency };
  if (rule.measure === "distinct") return { kind: "distinct", ...common, of: rule.of };
  return { kind: rule.measure, ...common };
}

/** Reads an address once for all lists that are asked about it in turn. */
function readingOnce(): typeof sortableAddress {
  let last: { readonly text: string; readonly address: string | undefined } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, address: sortableAddress(text) };
    return last.address;
  };
}

function listing(
  field: Dimension,
  values: readonly string[],
  addressOf: typeof sortableAddress,
): (value: string) => boolean {
  if (field === "ip") {
    const isIn = inRanges(
      values.map(parseRange).filter((range): range is AddressRange => range !== undefined),
    );
    return (value) => {
      const address = addressOf(value);
      return address !== undefined && isIn(address);
    };
  }
  const listed = new Set(values);
  return (value) => listed.has(value);
}
