import { type Static, Type } from "@sinclair/typebox";

/** The internal route on which payment asks fraud for decisions; POST, idempotent by payment id. */
export const scoresPath = "/internal/v1/scores";

/** The most payments one call to `scoresPath` may carry. */
export const maxScoreBatch = 256;

/** What fraud answers for a payment, from the mildest to the strictest. */
export const fraudDecisions = ["allow", "flag", "review", "block"] as const;
export type FraudDecision = (typeof fraudDecisions)[number];

/** What payment does with a payment that could not be scored in time. */
export const failModes = ["allow", "review", "block"] as const;
export type FailMode = (typeof failModes)[number];

const strict = { additionalProperties: false };
const callerText = Type.Union([
  Type.String({ minLength: 1, maxLength: 255, pattern: "^[^\\u0000-\\u001f\\u007f]*$" }),
  Type.Null(),
]);

/** The facts about one payment that rules may look at. Amount in the currency's smallest unit. */
export const ScoreRequest = Type.Object(
  {
    payment_id: Type.String({ pattern: "^pay_[0-7][0-9a-hjkmnp-tv-z]{25}$" }),
    tenant_id: Type.String({ pattern: "^ten_[0-7][0-9a-hjkmnp-tv-z]{25}$" }),
    mode: Type.Union([Type.Literal("live"), Type.Literal("test")]),
    amount: Type.Integer({ minimum: 1, maximum: 999_999_999_999 }),
    currency: Type.String({ pattern: "^[A-Z]{3}$" }),
    customer_id: callerText,
    card_fingerprint: callerText,
    ip: callerText,
    request_id: callerText,
  },
  strict,
);
export type ScoreRequest = Static<typeof ScoreRequest>;

/** A batch to score. A dry batch is evaluated like any other, but counts nothing and stores nothing: it warms up. */
export const ScoresBody = Type.Object(
  {
    payments: Type.Array(ScoreRequest, { minItems: 1, maxItems: maxScoreBatch }),
    dry: Type.Optional(Type.Boolean()),
  },
  strict,
);
export type ScoresBody = Static<typeof ScoresBody>;

/** One decision: `rules` names the enforced rules that triggered, `fail_mode` is the tenant's present one. */
export const ScoreAnswer = Type.Object({
  payment_id: Type.String(),
  decision: Type.Union(fraudDecisions.map((decision) => Type.Literal(decision))),
  score: Type.Integer({ minimum: 0, maximum: 100 }),
  rules: Type.Array(Type.String()),
  fail_mode: Type.Union(failModes.map((mode) => Type.Literal(mode))),
});
export type ScoreAnswer = Static<typeof ScoreAnswer>;

/** The decisions in the order of the payments asked about. */
export const ScoresAnswer = Type.Object({ decisions: Type.Array(ScoreAnswer) });
export type ScoresAnswer = Static<typeof ScoresAnswer>;
