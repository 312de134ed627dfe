import type { Movable, PaymentStatus } from "../payments/payment.ts";

/**
 * What may be done with an authorized payment, one at a time. `flag_void` is the void that a late flag asks
 * for.
 */
export const operationKinds = ["capture", "void", "approve", "reject", "expire", "flag_void"] as const;
export type OperationKind = (typeof operationKinds)[number];

/**
 * Authorized at the processor and held for a person to look at. A blocked payment is flagged too, but final.
 */
function isUnderReview(payment: Pick<Movable, "status" | "fraudDecision">): boolean {
  return payment.status === "flagged" && payment.fraudDecision === "review";
}

/** Whether the payment's state admits the operation; a trigger in the database says the same. */
export function admits(kind: OperationKind, payment: Movable): boolean {
  switch (kind) {
    case "capture":
    case "void":
    case "flag_void":
      return payment.status === "authorized";
    case "approve":
    case "reject":
      return isUnderReview(payment);
    case "expire":
      return payment.status === "authorized" || isUnderReview(payment);
  }
}

/** What the operation asks of the processor. Approving a manual payment only lets the merchant go on. */
export function processorCall(
  kind: OperationKind,
  captureMethod: Movable["captureMethod"],
): "capture" | "void" | null {
  if (kind === "capture") return "capture";
  if (kind === "approve") return captureMethod === "automatic" ? "capture" : null;
  return "void";
}

/** The payment's state once the operation is done. */
export function resultingStatus(
  kind: OperationKind,
  captureMethod: Movable["captureMethod"],
): Extract<PaymentStatus, "succeeded" | "authorized" | "voided" | "expired"> {
  const call = processorCall(kind, captureMethod);
  if (call === "capture") return "succeeded";
  if (call === null) return "authorized";
  return kind === "expire" ? "expired" : "voided";
}

/** The sentence that says why an operation is refused, naming the payment's state or what is still open. */
export function refusal(kind: OperationKind, payment: Movable, open: OperationKind | null): string {
  if (open !== null) return `The payment has an open operation: ${spoken(open)}.`;
  const state = isUnderReview(payment) ? "flagged and under review" : payment.status;
  return `The payment is ${state}; ${spoken(kind)} is not possible.`;
}

function spoken(kind: OperationKind): string {
  return kind === "flag_void" ? "void" : kind;
}
