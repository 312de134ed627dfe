import { type Static, Type } from "@sinclair/typebox";
import { ModeSchema } from "./access.ts";
import { Amount, Currency, IpAddress, nullable, oneOf, Timestamp, text } from "./fields.ts";

/** The internal route on which payment asks fraud for decisions; POST, idempotent by payment id. */
export const scoresPath = "/internal/v1/scores";

/** The most payments one call to `scoresPath` may carry. */
export const maxScoreBatch = 256;

/**
 * The steps of counting that one call should ask for, and the most that fraud does at a time: the counters
 * serve all tenants in turn. A batch under the default policy stays within it.
 */
export const maxScoreSteps = 4_096;

/** The steps to assume of a payment whose tenant's policy is not known: none takes more. */
export const mostScoreSteps = 256;

/** What fraud answers for a payment, from the mildest to the strictest. */
export const fraudDecisions = ["allow", "flag", "review", "block"] as const;
export type FraudDecision = (typeof fraudDecisions)[number];

/** What payment does with a payment that could not be scored in time. */
export const failModes = ["allow", "review", "block"] as const;
export type FailMode = (typeof failModes)[number];

const strict = { additionalProperties: false };
const CallerText = nullable(text(255, "As the caller gave it."));

/** The facts about one payment that rules may look at. Amount in the currency's smallest unit. */
export const ScoreRequest = Type.Object(
  {
    payment_id: Type.String({ pattern: "^pay_[0-7][0-9a-hjkmnp-tv-z]{25}$" }),
    tenant_id: Type.String({ pattern: "^ten_[0-7][0-9a-hjkmnp-tv-z]{25}$" }),
    mode: ModeSchema,
    amount: Type.Integer({ minimum: 1, maximum: 999_999_999_999 }),
    currency: Type.String({ pattern: "^[A-Z]{3}$" }),
    customer_id: CallerText,
    card_fingerprint: CallerText,
    ip: CallerText,
    request_id: CallerText,
    traceparent: Type.Optional(Type.String({ maxLength: 55 })),
  },
  strict,
);
export type ScoreRequest = Static<typeof ScoreRequest>;

/** A batch to score. A dry batch is evaluated like any other, but counts and stores nothing: it warms up. */
export const ScoresBody = Type.Object(
  {
    payments: Type.Array(ScoreRequest, { minItems: 1, maxItems: maxScoreBatch }),
    dry: Type.Optional(Type.Boolean()),
  },
  strict,
);
export type ScoresBody = Static<typeof ScoresBody>;

/**
 * One decision: `rules` names the enforced rules that triggered; `fail_mode` and `steps`, what counting a
 * payment takes, are those of the tenant's present policy.
 */
export const ScoreAnswer = Type.Object({
  payment_id: Type.String(),
  decision: oneOf(fraudDecisions),
  score: Type.Integer({ minimum: 0, maximum: 100 }),
  rules: Type.Array(Type.String()),
  fail_mode: oneOf(failModes),
  steps: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type ScoreAnswer = Static<typeof ScoreAnswer>;

/** The decisions in the order of the payments asked about. */
export const ScoresAnswer = Type.Object({ decisions: Type.Array(ScoreAnswer) });
export type ScoresAnswer = Static<typeof ScoresAnswer>;

/** How a resource's policy acts: fully, only on record, or not at all. */
const policyModes = ["enforce", "shadow", "off"] as const;
export type PolicyMode = (typeof policyModes)[number];

/**
 * A payment and the verdict expected of the policy when it is enforced. `seen` is what counting rules see, by
 * their ids; a rule that is not named sees this payment alone.
 */
export const PolicyTest = Type.Object(
  {
    name: text(200, "What the test is called where it fails."),
    payment: Type.Object(
      {
        amount: Amount,
        currency: Currency,
        customer_id: Type.Optional(text(255, "The customer.")),
        card_fingerprint: Type.Optional(text(255, "The card.")),
        ip: Type.Optional(IpAddress),
        seen: Type.Optional(Type.Record(Type.String({ maxLength: 100 }), Type.Number({ minimum: 0 }))),
      },
      strict,
    ),
    expect: oneOf(fraudDecisions),
  },
  strict,
);
export type PolicyTest = Static<typeof PolicyTest>;

const Threshold = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 100, description: "The score from which on it is done." }),
);

/**
 * `PUT /internal/v1/fraud-policies/:id`: all that a FraudPolicy resource says; rules are those of
 * `PUT /fraud/policy`. One that fails its own tests is refused, and the last good one stays.
 */
export const PutPolicyBody = Type.Object(
  {
    mode: oneOf(policyModes),
    thresholds: Type.Object({ flag: Threshold, review: Threshold, block: Threshold }, strict),
    rules: Type.Array(Type.Unknown(), { maxItems: 50 }),
    fail_mode: oneOf(failModes),
    tests: Type.Array(PolicyTest, { maxItems: 50 }),
  },
  strict,
);
export type PutPolicyBody = Static<typeof PutPolicyBody>;

/**
 * `PUT /internal/v1/fraud-policies/:id/tenants`: all tenants that refer to the policy, each as of a
 * generation of its own: a tenant that has moved on to another policy since does not come back by an older
 * list.
 */
export const PolicyTenantsBody = Type.Object(
  {
    tenants: Type.Array(
      Type.Object(
        {
          tenant_id: Type.String({ pattern: "^ten_[0-7][0-9a-hjkmnp-tv-z]{25}$" }),
          generation: Type.Integer({ minimum: 1 }),
        },
        strict,
      ),
      { maxItems: 10_000 },
    ),
  },
  strict,
);
export type PolicyTenantsBody = Static<typeof PolicyTenantsBody>;

/** `GET /internal/v1/fraud-policies/:id`. `hash` names the version by which decisions are made. */
export const InternalPolicy = Type.Object({
  policy_id: Type.String(),
  mode: oneOf(policyModes),
  hash: Type.String(),
  generation: nullable(Type.Integer()),
  matched_tenants: Type.Integer({ minimum: 0 }),
  replicas: Type.Object({
    applied: Type.Integer({ minimum: 0, description: "Of those, replicas that apply this version." }),
    running: Type.Integer({ minimum: 0 }),
  }),
  updated_at: Timestamp,
});
export type InternalPolicy = Static<typeof InternalPolicy>;

export const internalPolicyPath = (policyId: string) => `/internal/v1/fraud-policies/${policyId}`;
