import type { Sql } from "@payflow/service-kit/store/database.ts";
import { type ChargePayment, chargePayment } from "../payments/charge-payment.ts";
import { type PaymentOutcome, type Scoring, scoringOf } from "../payments/conclude.ts";
import { type FinishPayment, finishPayment } from "../payments/finish-payment.ts";
import type { Scorer } from "../payments/fraud/score-payment.ts";
import type { Decision } from "../payments/payment.ts";
import { type Inquiry, OutcomeUnknown } from "../processor/processor.ts";
import type { PaymentRow } from "../schema.ts";
import type { Hold } from "./hold.ts";
import { hasWaitingBlock, noteLateJudgement } from "./recovery.store.ts";

export interface RecoverPayment extends ChargePayment, FinishPayment {
  readonly sql: Sql;
  readonly scorer: Pick<Scorer, "score">;
  /** Applies a flag that waited for the payment's end. */
  readonly onLateFlag: (payment: PaymentRow) => Promise<void>;
}

/**
 * How far a recovery came: `open` when the processor's answer is outstanding still, `unjudged` when fraud's
 * is, and `taken over` when another holds the payment by now.
 */
export type Recovered = "ended" | "open" | "unjudged" | "taken over";

const unjudgedScoring: Scoring = { decision: null, score: null, rules: [], source: "none" };

/**
 * Ends a payment that was left `processing`. The processor is asked first, and what it did is the truth. Only
 * a payment it never saw is judged, then charged with the same key or ended uncharged.
 */
export async function recoverPayment(
  deps: RecoverPayment,
  payment: PaymentRow,
  hold: Hold,
): Promise<Recovered> {
  const known = await inquire(deps, payment);
  if (known === null) return "open";
  if (known.kind !== "not_found") return endAsKnown(deps, payment, known);
  const scoring = await judgeUncharged(deps, payment);
  if (scoring === null) return "unjudged";
  const outcome = await chargePayment(deps, payment, scoring, hold);
  return outcome === null ? "open" : end(deps, payment, scoring, outcome);
}

async function inquire(
  deps: RecoverPayment,
  payment: PaymentRow,
): Promise<PaymentOutcome | { kind: "not_found" } | null> {
  try {
    return toOutcome(payment, await deps.processor.inquire(payment.id));
  } catch (error) {
    if (error instanceof OutcomeUnknown) return null;
    throw error;
  }
}

function toOutcome(payment: PaymentRow, known: Inquiry): PaymentOutcome | { kind: "not_found" } {
  switch (known.kind) {
    case "captured":
    case "authorized":
      return { kind: known.kind, amount: known.amount };
    case "done":
      throw new Error(`the processor knows ${payment.id} as something other than a charge`);
    default:
      return known;
  }
}

/** The payment was charged, authorized or refused already: a judgement can only be noted beside that. */
async function endAsKnown(
  deps: RecoverPayment,
  payment: PaymentRow,
  outcome: PaymentOutcome,
): Promise<Recovered> {
  const stored = scoringOf(payment);
  const scoring = stored ?? (await deps.scorer.score(payment));
  const late = lateJudgement(scoring, outcome);
  if (late !== null) await noteLateJudgement(deps.sql, payment.id, payment.fence, late);
  // An authorization follows the tenant's fail mode like any other, since it may need a person's review. A
  // capture that a score would have stopped, or nobody scored, is told as not scored: fraud takes its second
  // look then.
  const isGuess = stored === null && scoring.source !== "score" && outcome.kind !== "authorized";
  const isPast = late !== null && outcome.kind === "captured";
  return end(deps, payment, isGuess || isPast ? unjudgedScoring : scoring, outcome);
}

/** A score that would have stopped what the processor has done already; a fail mode is no score. */
export function lateJudgement(scoring: Scoring, outcome: PaymentOutcome): Decision | null {
  if (scoring.source !== "score") return null;
  const isStopped = outcome.kind === "captured" || outcome.kind === "authorized";
  if (isStopped && scoring.decision === "block") return "block";
  return outcome.kind === "captured" && scoring.decision === "review" ? "review" : null;
}

/**
 * The judgement of a payment that nobody charged; null when fraud does not answer. The tenant's fail mode
 * does not count here: the first judgement may have been to block, and only fraud remembers it.
 */
async function judgeUncharged(deps: RecoverPayment, payment: PaymentRow): Promise<Scoring | null> {
  const scoring = payment.scoringSource === "score" ? scoringOf(payment) : await deps.scorer.score(payment);
  if (scoring === null || scoring.source !== "score") return null;
  return (await hasWaitingBlock(deps.sql, payment.id)) ? { ...scoring, decision: "block" } : scoring;
}

async function end(
  deps: RecoverPayment,
  payment: PaymentRow,
  scoring: Scoring,
  outcome: PaymentOutcome,
): Promise<Recovered> {
  const finished = await finishPayment(deps, payment, scoring, outcome, { requestId: payment.requestId });
  if (finished === null) return "taken over";
  if (finished.lateDecision !== null) await deps.onLateFlag(finished.payment);
  return "ended";
}
