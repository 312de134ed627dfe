import { createHash } from "node:crypto";
import type { Mode } from "@payflow/contracts/access.ts";
import { Currency, maxAmountMinor, oneOf, text } from "@payflow/contracts/fields.ts";
import { failModes } from "@payflow/contracts/internal-fraud.ts";
import { type Static, type TProperties, Type } from "@sinclair/typebox";

/** No window reaches further back; counters are kept no longer. */
export const maxWindowSeconds = 86_400;

/** A key's distinct values and failures are remembered up to this many, so no limit may ask for more. */
export const maxRemembered = 4_096;

const dimensions = ["tenant", "customer", "card", "ip"] as const;
export type Dimension = (typeof dimensions)[number];

/** The actions of rules and tiers, from the mildest to the strictest. */
export const actions = ["flag", "review", "block"] as const;
export type Action = (typeof actions)[number];

const strict = { additionalProperties: false };
const named = {
  name: Type.String({
    pattern: "^[a-z][a-z0-9_]{0,63}$",
    description: "What decisions call the rule. Rules that watch for one thing by several keys share a name.",
  }),
  id: Type.Optional(
    Type.String({
      pattern: "^[a-z0-9][a-z0-9_.:-]{0,99}$",
      description: "Unique in the policy; made of name and key when left out.",
    }),
  ),
  mode: Type.Optional(
    oneOf(["enforce", "shadow", "off"], "`shadow` is evaluated and recorded, but never acted on."),
  ),
};
const acting = {
  weight: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 100, description: "Added to the score when the rule triggers." }),
  ),
  action: oneOf(actions, "What the rule alone does to a payment."),
};
const window = {
  window_seconds: Type.Integer({ minimum: 1, maximum: maxWindowSeconds, description: "A sliding window." }),
};

function velocity<M extends string, P extends TProperties>(measure: M, description: string, properties: P) {
  return Type.Object(
    {
      kind: Type.Literal("velocity"),
      ...named,
      key: oneOf(dimensions, "Whose payments are looked at together."),
      measure: Type.Literal(measure, { description }),
      ...window,
      ...properties,
      ...acting,
    },
    strict,
  );
}

/** The schema of each sort of rule: the kinds, and velocity by its measure. */
export const ruleSchemas = {
  count: velocity("count", "Triggers when more than `limit` payments were tried, this one included.", {
    limit: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
  }),
  sum: velocity("sum", "Triggers when more than `limit` of `currency` was tried, this payment included.", {
    limit: Type.Integer({ minimum: 0, maximum: 1_000_000_000_000_000, description: "In minor units." }),
    currency: Currency,
  }),
  distinct: velocity("distinct", "Triggers when more than `limit` different values of `of` were seen.", {
    of: oneOf(["customer", "card", "ip"]),
    limit: Type.Integer({ minimum: 0, maximum: maxRemembered - 1 }),
  }),
  fail_ratio: velocity(
    "fail_ratio",
    "Triggers when a larger share of the tried payments than `limit` failed.",
    {
      limit: Type.Number({ minimum: 0, maximum: 1 }),
      min_sample: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 1_000_000,
          description: "Not judged on fewer payments; 10 if left out.",
        }),
      ),
    },
  ),
  amount: Type.Object(
    {
      kind: Type.Literal("amount"),
      ...named,
      currency: Type.Optional(Currency),
      max: Type.Integer({
        minimum: 0,
        maximum: maxAmountMinor,
        description: "Triggers on a larger amount, in minor units; in every currency when none is given.",
      }),
      ...acting,
    },
    strict,
  ),
  repeat_failure: Type.Object(
    {
      kind: Type.Literal("repeat_failure"),
      ...named,
      key: oneOf(dimensions, "Whose failures are counted together."),
      limit: Type.Integer({
        minimum: 1,
        maximum: maxRemembered,
        description: "Triggers once this many payments failed at the processor within the window.",
      }),
      ...window,
      ...acting,
    },
    strict,
  ),
  deny: listOf("deny", "Triggers on a listed value.", acting),
  allow: listOf("allow", "On a listed value no rule acts but `deny` lists.", {}),
};

function listOf<E extends string, P extends TProperties>(effect: E, description: string, properties: P) {
  return Type.Object(
    {
      kind: Type.Literal("list"),
      ...named,
      field: oneOf(["customer", "card", "ip"]),
      effect: Type.Literal(effect, { description }),
      values: Type.Array(text(255, "A value; for `ip` an address or a range in CIDR notation."), {
        minItems: 1,
        maxItems: 1_000,
        uniqueItems: true,
      }),
      ...properties,
    },
    strict,
  );
}

/** A tenant's fraud policy in one mode, as written by REST. */
export const PolicyBody = Type.Object(
  {
    rules: Type.Array(Type.Union(Object.values(ruleSchemas)), { maxItems: 50 }),
    tiers: Type.Optional(
      Type.Array(
        Type.Object(
          { min_score: Type.Integer({ minimum: 1, maximum: 100 }), action: oneOf(actions) },
          strict,
        ),
        { maxItems: 10, description: "What a score of at least `min_score` does." },
      ),
    ),
    fail_mode: Type.Optional(
      oneOf(failModes, "What becomes of a payment that could not be scored in time; `review` when left out."),
    ),
    late_block: Type.Optional(
      oneOf(
        ["flag", "refund"],
        "What a late `block` does to a payment that was captured; `flag` when left out.",
      ),
    ),
  },
  strict,
);

type Complete<T> = T extends unknown
  ? Required<Omit<T, "currency">> &
      (T extends { currency?: string } ? Pick<T, "currency" & keyof T> : unknown)
  : never;

type RuleSchemas = typeof ruleSchemas;
/** A rule with every default filled in. */
export type Rule = { [Sort in keyof RuleSchemas]: Complete<Static<RuleSchemas[Sort]>> }[keyof RuleSchemas];

/** A policy with every default filled in, its fields in a fixed order: what is stored, hashed and shown. */
export interface Policy {
  readonly rules: readonly Rule[];
  readonly tiers: readonly { readonly min_score: number; readonly action: Action }[];
  readonly fail_mode: "allow" | "review" | "block";
  readonly late_block: "flag" | "refund";
}

/** Whose policy it is: a tenant has one in each mode. */
export interface PolicyOwner {
  readonly tenantId: string;
  readonly mode: Mode;
}

/** The policy's version: SHA-256, in hex, of its JSON with the keys of every object in alphabetical order. */
export function policyHash(policy: Policy): string {
  return createHash("sha256").update(canonicalJson(policy)).digest("hex");
}

/** JSON with the keys of every object in alphabetical order and nothing between the tokens. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}
