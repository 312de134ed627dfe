import { outboxRow } from "@payflow/service-kit/outbox/outbox.ts";
import type { StoreClock } from "@payflow/service-kit/store/store-clock.ts";
import type { StoredAnswer } from "../idempotency/idempotency.ts";
import type { PaymentRow } from "../schema.ts";
import { conclude, type PaymentOutcome, type Scoring } from "./conclude.ts";
import type { Decision } from "./payment.ts";
import { type EventCause, stateEvent } from "./payment-events.ts";
import { renderAnswer } from "./payments.contract.ts";
import type { PaymentStore } from "./payments.store.ts";

export interface FinishPayment {
  readonly payments: Pick<PaymentStore, "finish">;
  readonly clock: Pick<StoreClock, "now">;
  /** How long an authorization may wait. */
  readonly authorizationMs: number;
}

export interface FinishedPayment {
  readonly payment: PaymentRow;
  readonly answer: StoredAnswer;
  /** What fraud said while the payment was open; whoever ended it applies the flag. */
  readonly lateDecision: Decision | null;
}

/**
 * Ends `processing`: state, the answer for repeats and the event in one transaction. Null when somebody with
 * a later fence has taken the payment over; nothing is changed then.
 */
export async function finishPayment(
  deps: FinishPayment,
  payment: PaymentRow,
  scoring: Scoring,
  outcome: PaymentOutcome,
  cause: EventCause,
): Promise<FinishedPayment | null> {
  const row = conclude(payment, scoring, outcome, deps.clock.now());
  const answer = renderAnswer(row);
  const event = outboxRow(stateEvent(row, cause));
  const ended = await deps.payments.finish({
    row,
    answer,
    topic: event.topic,
    event: event.envelope,
    expiresMs: row.settledAt === null ? deps.authorizationMs : null,
  });
  return ended === null ? null : { payment: row, answer, lateDecision: ended.lateDecision };
}
