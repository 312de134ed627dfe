/** Where a payment stands. `processing` is the only beginning. */
export const paymentStatuses = [
  "processing",
  "succeeded",
  "failed",
  "authorized",
  "flagged",
  "voided",
  "expired",
] as const;
export type PaymentStatus = (typeof paymentStatuses)[number];

export const captureMethods = ["automatic", "manual"] as const;
export type CaptureMethod = (typeof captureMethods)[number];

/** What fraud said of a payment, from the mildest to the strictest. */
export const decisions = ["allow", "flag", "review", "block"] as const;
export type Decision = (typeof decisions)[number];

/** Whether a score, the tenant's fail mode or nobody decided. */
export const scoringSources = ["score", "fail_mode", "none"] as const;
export type ScoringSource = (typeof scoringSources)[number];

/** One allowed move, and for which payments alone where it is not for all. */
export interface Move {
  readonly from: PaymentStatus;
  readonly to: PaymentStatus;
  readonly capture?: CaptureMethod;
  readonly decision?: Decision;
}

/**
 * Every move a payment may make; the database's trigger is tested to agree with it. A payment flagged by
 * `block` never moves again: only those under `review` leave `flagged`.
 */
export const moves: readonly Move[] = [
  { from: "processing", to: "succeeded", capture: "automatic" },
  { from: "processing", to: "failed" },
  { from: "processing", to: "authorized", capture: "manual" },
  { from: "processing", to: "flagged" },
  { from: "authorized", to: "succeeded" },
  { from: "authorized", to: "voided" },
  { from: "authorized", to: "expired" },
  { from: "flagged", to: "succeeded", capture: "automatic", decision: "review" },
  { from: "flagged", to: "authorized", capture: "manual", decision: "review" },
  { from: "flagged", to: "voided", decision: "review" },
  { from: "flagged", to: "expired", decision: "review" },
];

/** What of a payment decides where it may go. */
export interface Movable {
  readonly status: PaymentStatus;
  readonly captureMethod: CaptureMethod;
  readonly fraudDecision: Decision | null;
}

/** Whether the payment may go there from where it stands. */
export function mayMove(payment: Movable, to: PaymentStatus): boolean {
  return moves.some(
    (move) =>
      move.from === payment.status &&
      move.to === to &&
      (move.capture ?? payment.captureMethod) === payment.captureMethod &&
      (move.decision ?? payment.fraudDecision) === payment.fraudDecision,
  );
}

/** Whether nothing but refunds can happen to the payment any more. */
export function isFinal(payment: Movable): boolean {
  return !paymentStatuses.some((to) => mayMove(payment, to));
}

/** Why a payment failed or was blocked: the codes of `error.code`, and the sentence beside each. */
export const paymentErrors = {
  insufficient_funds: "The card has not enough money for this payment.",
  card_declined: "The card's bank declined the payment.",
  do_not_honor: "The card's bank declined without giving a reason.",
  expired_card: "The card has expired.",
  invalid_cvv: "The card's security code is wrong.",
  fraud_blocked: "The payment was blocked by the fraud policy.",
} as const;
