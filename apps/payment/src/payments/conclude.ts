import type { ChargeOutcome } from "../processor/processor.ts";
import type { PaymentRow } from "../schema.ts";
import { type Decision, paymentErrors, type ScoringSource } from "./payment.ts";

/** How a payment was judged before money moved. `score` 0 to 100; null where nobody scored. */
export interface Scoring {
  readonly decision: Decision | null;
  readonly score: number | null;
  readonly rules: readonly string[];
  readonly source: ScoringSource;
}

/** What came of the attempt to charge; `blocked` when the processor was never to be asked. */
export type PaymentOutcome = ChargeOutcome | { readonly kind: "blocked" };

/**
 * The payment as it stands after the attempt. What the processor did is the truth: a capture is `succeeded`
 * and a refusal `failed`, whatever fraud said. An authorization of a payment that captures by itself can only
 * mean a review.
 */
export function conclude(
  payment: PaymentRow,
  scoring: Scoring,
  outcome: PaymentOutcome,
  now: Date,
): PaymentRow {
  const isReview = outcome.kind === "authorized" && needsReview(payment, scoring);
  const after: PaymentRow = {
    ...payment,
    fraudDecision: isReview ? "review" : scoring.decision,
    fraudScore: scoring.score,
    fraudRules: scoring.rules.length === 0 ? null : JSON.stringify(scoring.rules),
    scoringSource: scoring.source,
    sequence: payment.sequence + 1,
    dueAt: null,
    updatedAt: now,
  };
  switch (outcome.kind) {
    case "captured":
      return { ...after, status: "succeeded", amountCaptured: outcome.amount, settledAt: now };
    case "authorized":
      return { ...after, status: isReview ? "flagged" : "authorized" };
    case "failed":
      return {
        ...after,
        status: "failed",
        errorCode: outcome.error.code,
        errorMessage: outcome.error.message,
        settledAt: now,
      };
    case "blocked":
      return {
        ...after,
        status: "flagged",
        fraudDecision: "block",
        errorCode: "fraud_blocked",
        errorMessage: paymentErrors.fraud_blocked,
        settledAt: now,
      };
  }
}

function needsReview(payment: PaymentRow, scoring: Scoring): boolean {
  return (
    payment.captureMethod === "automatic" || scoring.decision === "review" || scoring.decision === "block"
  );
}

/** What the row says of how the payment was judged; null when it was not yet. */
export function scoringOf(payment: PaymentRow): Scoring | null {
  if (payment.scoringSource === "none") return null;
  return {
    decision: payment.fraudDecision,
    score: payment.fraudScore,
    rules: rulesOf(payment),
    source: payment.scoringSource,
  };
}

/** The names of the rules that triggered. */
export function rulesOf(payment: Pick<PaymentRow, "fraudRules">): string[] {
  return payment.fraudRules === null ? [] : JSON.parse(payment.fraudRules);
}
