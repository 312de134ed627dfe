import { insertOutbox } from "@payflow/service-kit/outbox/outbox.ts";
import { type Sql, transact } from "@payflow/service-kit/store/database.ts";
import type { StoredAnswer } from "../idempotency/idempotency.ts";
import { answerRepeats } from "../idempotency/once.ts";
import { applyWaitingFlags } from "../payments/fraud/apply-flags.ts";
import { type FollowUpOutcome, OutcomeUnknown, type Processor } from "../processor/processor.ts";
import { type CallTime, type Hold, sendUntil } from "../recovery/hold.ts";
import type { RefundRow } from "../schema.ts";
import { refundSettled } from "./refund-events.ts";
import { refundResponse } from "./refunds.contract.ts";
import { releaseReservation, settleRefund } from "./refunds.store.ts";

export interface DriveRefund {
  readonly sql: Sql;
  readonly processor: Processor;
  /** How long one call to the processor is at work. */
  readonly processorCall: CallTime;
  /** Called after a commit that left events in the outbox. */
  readonly onEvents: () => void;
}

/** The answer of a settled refund, whether it succeeded or failed. */
function refundAnswer(refund: RefundRow): StoredAnswer {
  return { status: 201, body: JSON.stringify(refundResponse(refund)) };
}

/**
 * Asks the processor for the money back and settles the refund by what it did. Null when that is not known
 * yet, or when another holds the refund by now. Whoever takes a refund up asks first what became of the
 * earlier call.
 */
export async function driveRefund(
  deps: DriveRefund,
  refund: RefundRow,
  hold: Hold,
  isTakenUp: boolean,
  traceparent?: string,
): Promise<StoredAnswer | null> {
  const outcome = await askProcessor(deps, refund, hold, isTakenUp);
  if (outcome === null) return null;
  const answer = await finishRefund(deps, refund, hold, outcome, traceparent);
  if (answer !== null) deps.onEvents();
  return answer;
}

async function askProcessor(
  deps: DriveRefund,
  refund: RefundRow,
  hold: Hold,
  isTakenUp: boolean,
): Promise<FollowUpOutcome | null> {
  try {
    if (isTakenUp) {
      const known = await deps.processor.inquire(refund.id);
      if (known.kind === "failed") return known;
      if (known.kind !== "not_found") return { kind: "done", amount: known.amount };
    }
    const notAfter = sendUntil(hold, deps.processorCall);
    if (notAfter === null) return null;
    return await deps.processor.refund({
      key: refund.id,
      notAfter,
      paymentId: refund.paymentId,
      amount: refund.amount,
    });
  } catch (error) {
    if (error instanceof OutcomeUnknown) return null;
    throw error;
  }
}

/**
 * Settles the refund in one transaction with reservation, event, stored answer and the flag that waited for
 * this end; null under a stale fence.
 */
export function finishRefund(
  deps: Pick<DriveRefund, "sql">,
  refund: RefundRow,
  hold: Hold,
  outcome: FollowUpOutcome,
  traceparent?: string,
): Promise<StoredAnswer | null> {
  return transact(deps.sql, async (transaction) => {
    const error = outcome.kind === "failed" ? outcome.error : null;
    const settled = await settleRefund(transaction, { id: refund.id, fence: hold.fence, error });
    if (settled === null) return null;
    const payment = await releaseReservation(transaction, settled);
    await insertOutbox(transaction, [refundSettled(settled, payment, traceparent)]);
    const answer = refundAnswer(settled);
    await answerRepeats(transaction, settled.idempotencyKey, answer);
    await applyWaitingFlags(transaction, payment.id);
    return answer;
  });
}
