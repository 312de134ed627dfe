import { OutcomeUnknown, type Processor } from "../processor/processor.ts";
import { type CallTime, type Hold, sendUntil } from "../recovery/hold.ts";
import type { PaymentRow } from "../schema.ts";
import type { PaymentOutcome, Scoring } from "./conclude.ts";

export interface ChargePayment {
  readonly processor: Processor;
  /** How long one call to the processor is at work. */
  readonly processorCall: CallTime;
}

/**
 * Asks the processor for the money, with the payment's own key; a payment under review is authorized only, a
 * blocked one not even that. Null when nobody knows what the processor did, or when the hold ends too soon to
 * ask it.
 */
export async function chargePayment(
  deps: ChargePayment,
  payment: PaymentRow,
  scoring: Scoring,
  hold: Hold,
): Promise<PaymentOutcome | null> {
  if (scoring.decision === "block") return { kind: "blocked" };
  const notAfter = sendUntil(hold, deps.processorCall);
  if (notAfter === null) return null;
  try {
    return await deps.processor.authorize({
      key: payment.id,
      notAfter,
      amount: payment.amount,
      currency: payment.currency,
      paymentMethod: payment.paymentMethod,
      capture: payment.captureMethod === "automatic" && scoring.decision !== "review",
    });
  } catch (error) {
    if (error instanceof OutcomeUnknown) return null;
    throw error;
  }
}
