import { DomainError, type FieldError } from "@payflow/contracts/errors.ts";
import type { TSchema } from "@sinclair/typebox";
import { Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { parseRange } from "./addresses.ts";
import { type Policy, PolicyBody, type Rule, ruleSchemas } from "./policy.ts";

/** At most this many fields are named, whatever the body holds. */
const maxErrors = 50;

// Each schema is only checked with, and `fromEntries` forgets the keys it was given.
const checks = Object.fromEntries(
  Object.entries(ruleSchemas).map(([sort, schema]) => [sort, TypeCompiler.Compile(schema as TSchema)]),
) as Record<keyof typeof ruleSchemas, TypeCheck<TSchema>>;

const outerCheck = TypeCompiler.Compile(
  Type.Object(
    { ...PolicyBody.properties, rules: Type.Array(Type.Unknown(), { maxItems: 50 }) },
    { additionalProperties: false },
  ),
);

/**
 * The policy in a body, with its defaults filled in. Throws `invalid_request` naming every wrong field: each
 * rule is checked against the schema of its own kind, since a union's error would only say that none fits.
 */
export function readPolicy(body: unknown): Policy {
  const errors: FieldError[] = [];
  collect(outerCheck, body, "", errors);
  const given = body as { rules?: unknown } | null; // Any JSON value; only an array of rules is looked into.
  const rules = Array.isArray(given?.rules) ? given.rules.slice(0, 50) : [];
  for (const [index, rule] of rules.entries()) checkRule(rule, `/rules/${index}`, errors);
  if (errors.length === 0) {
    // Everything was checked against its schema above.
    const policy = complete(body as CheckedBody);
    checkTogether(policy, errors);
    if (errors.length === 0) return policy;
  }
  throw new DomainError("invalid_request", undefined, { errors: errors.slice(0, maxErrors) });
}

function checkRule(rule: unknown, pointer: string, errors: FieldError[]): void {
  const sort = sortOf(rule);
  if (typeof sort !== "string") errors.push({ pointer: `${pointer}${sort.field}`, message: sort.message });
  else collect(checks[sort], rule, pointer, errors);
}

const sorts: Record<string, { field: string; of: Record<string, keyof typeof ruleSchemas> } | undefined> = {
  velocity: {
    field: "measure",
    of: { count: "count", sum: "sum", distinct: "distinct", fail_ratio: "fail_ratio" },
  },
  list: { field: "effect", of: { allow: "allow", deny: "deny" } },
};

function sortOf(rule: unknown): keyof typeof ruleSchemas | { field: string; message: string } {
  if (typeof rule !== "object" || rule === null || Array.isArray(rule)) {
    return { field: "", message: "Expected object" };
  }
  // An object, as was just seen.
  const fields = rule as Record<string, unknown>;
  const { kind } = fields;
  if (kind === "amount" || kind === "repeat_failure") return kind;
  const found = typeof kind === "string" && Object.hasOwn(sorts, kind) ? sorts[kind] : undefined;
  if (found === undefined) {
    return { field: "/kind", message: "Expected one of velocity, amount, repeat_failure, list" };
  }
  const word = fields[found.field];
  const sort = typeof word === "string" && Object.hasOwn(found.of, word) ? found.of[word] : undefined;
  return sort ?? { field: `/${found.field}`, message: `Expected one of ${Object.keys(found.of).join(", ")}` };
}

function collect(check: TypeCheck<TSchema>, value: unknown, prefix: string, errors: FieldError[]): void {
  const seen = new Set<string>();
  for (const problem of check.Errors(value)) {
    if (errors.length >= maxErrors) return;
    if (seen.has(problem.path)) continue;
    seen.add(problem.path);
    const choices: readonly { const?: unknown }[] = problem.schema.anyOf ?? [];
    const words = choices.map((choice) => choice.const).filter((word) => word !== undefined);
    const message = words.length > 0 ? `Expected one of ${words.join(", ")}` : problem.message;
    errors.push({ pointer: `${prefix}${problem.path}`, message });
  }
}

type CheckedBody = Partial<Omit<Policy, "rules">> & {
  rules: readonly (Partial<Rule> & Pick<Rule, "kind" | "name">)[];
};

function complete(body: CheckedBody): Policy {
  return {
    rules: body.rules.map(completeRule),
    tiers: [...(body.tiers ?? [])]
      .map(({ min_score, action }) => ({ min_score, action }))
      .sort((left, right) => left.min_score - right.min_score),
    fail_mode: body.fail_mode ?? "review",
    late_block: body.late_block ?? "flag",
  };
}

function completeRule(given: CheckedBody["rules"][number]): Rule {
  const part = "key" in given ? given.key : "field" in given ? given.field : undefined;
  const isAllow = "effect" in given && given.effect === "allow";
  return {
    ...given,
    id: given.id ?? (part === undefined ? given.name : `${given.name}:${part}`),
    mode: given.mode ?? "enforce",
    ...(isAllow ? {} : { weight: "weight" in given ? given.weight : 0 }),
    ...("measure" in given && given.measure === "fail_ratio" ? { min_sample: given.min_sample ?? 10 } : {}),
  } as Rule; // The schema of its sort has checked what was given; the defaults complete it.
}

/** What no schema of one field can say. */
function checkTogether(policy: Policy, errors: FieldError[]): void {
  const ids = new Set<string>();
  for (const [index, rule] of policy.rules.entries()) {
    const pointer = `/rules/${index}`;
    if (ids.has(rule.id)) {
      errors.push({
        pointer: `${pointer}/id`,
        message: `Another rule has the id ${rule.id}; give this one its own`,
      });
    }
    ids.add(rule.id);
    if (rule.name === "fail_mode") {
      errors.push({
        pointer: `${pointer}/name`,
        message: "Reserved for payments that the fail mode decided",
      });
    }
    if (rule.kind === "velocity" && rule.measure === "distinct" && rule.of === rule.key) {
      errors.push({ pointer: `${pointer}/of`, message: "Expected another field than the rule's key" });
    }
    if (rule.kind === "list" && rule.field === "ip") {
      for (const [position, value] of rule.values.entries()) {
        if (parseRange(value) !== undefined) continue;
        errors.push({
          pointer: `${pointer}/values/${position}`,
          message: "Expected an address or a CIDR range",
        });
      }
    }
  }
  for (const [index, tier] of policy.tiers.entries()) {
    if (policy.tiers[index - 1]?.min_score !== tier.min_score) continue;
    errors.push({ pointer: "/tiers", message: `Two tiers begin at the score ${tier.min_score}` });
  }
}
