import type { TransactionSql } from "@payflow/service-kit/store/database.ts";
import { openFlagVoid } from "../../operations/open-void.ts";
import { newRefundId, reserveRefund } from "../../refunds/reserve-refund.ts";
import { lockFlagged, markApplied, noteLateDecision, waitingFlags } from "./flags.store.ts";
import { type FlagEffect, flagEffect, leadingFlag, stricter } from "./late-flag.ts";

/**
 * Applies what late flags ask of a payment, within the caller's transaction: at the flag's arrival, and by
 * whoever ends what it had to wait for. The void or refund is only opened here; the recovery takes it to the
 * processor. Null when nothing waits.
 */
export async function applyWaitingFlags(
  transaction: TransactionSql,
  paymentId: string,
): Promise<FlagEffect | null> {
  if ((await waitingFlags(transaction, paymentId)).length === 0) return null;
  const payment = await lockFlagged(transaction, paymentId);
  if (payment === null) throw new Error(`a flag names ${paymentId}, which is no payment`);
  // Read again under the lock: another may have applied them while this transaction waited for it.
  const leading = leadingFlag(await waitingFlags(transaction, paymentId));
  if (leading === undefined) return null;
  const late = stricter(payment.lateDecision, leading.decision);
  if (late !== payment.lateDecision) await noteLateDecision(transaction, paymentId, late);
  const effect = flagEffect(leading, payment);
  if (effect === "wait") return effect;
  if (effect === "void") await openFlagVoid(transaction, paymentId);
  if (effect === "refund") {
    // With nothing left to give back no refund is made, and the note stays alone.
    await reserveRefund(transaction, payment, paymentId, {
      id: newRefundId(),
      amount: null,
      reason: "Blocked by the fraud policy after the capture.",
      requestId: payment.requestId,
      idempotencyKey: null,
      flagEventId: leading.eventId,
      leaseMs: 0,
    });
  }
  await markApplied(transaction, paymentId);
  return effect;
}
