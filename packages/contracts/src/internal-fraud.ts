import { type Static, Type } from "@sinclair/typebox";
import { ModeSchema } from "./access.ts";
import { nullable, oneOf, text } from "./fields.ts";

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
