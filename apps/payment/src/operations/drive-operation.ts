import { insertOutbox } from "@payflow/service-kit/outbox/outbox.ts";
import { type Sql, transact } from "@payflow/service-kit/store/database.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { StoredAnswer } from "../idempotency/idempotency.ts";
import { allowAnew, answerRepeats } from "../idempotency/once.ts";
import { applyWaitingFlags } from "../payments/fraud/apply-flags.ts";
import { stateEvent } from "../payments/payment-events.ts";
import { paymentResponse } from "../payments/payments.contract.ts";
import {
  type FollowUpOutcome,
  OutcomeUnknown,
  type Processor,
  type Refusal,
} from "../processor/processor.ts";
import { type CallTime, type Hold, sendUntil } from "../recovery/hold.ts";
import type { OperationRow, PaymentRow } from "../schema.ts";
import { processorCall, resultingStatus } from "./operation.ts";
import { closeOperation, movePayment, postponeExpiry } from "./operations.store.ts";

export interface DriveOperation {
  readonly sql: Sql;
  readonly processor: Processor;
  readonly logger: Logger;
  /** How long one call to the processor is at work. */
  readonly processorCall: CallTime;
  /** Called after a commit that left events in the outbox. */
  readonly onEvents: () => void;
  /** How long an authorization that the processor would not release is left alone, in milliseconds. */
  readonly refusedExpiryMs: number;
}

/** What an operation came to: `unknown` while the processor's answer is outstanding or another holds it. */
export type Driven =
  | { readonly kind: "done"; readonly answer: StoredAnswer }
  | { readonly kind: "refused"; readonly error: Refusal }
  | { readonly kind: "unknown" };

/**
 * Asks the processor for the operation and ends it by what it did. Whoever takes an operation up asks first
 * what became of the earlier call, and repeats it under the same key only when the processor never saw it.
 */
export async function driveOperation(
  deps: DriveOperation,
  operation: OperationRow,
  payment: PaymentRow,
  hold: Hold,
  isTakenUp: boolean,
  traceparent?: string,
): Promise<Driven> {
  const outcome = await askProcessor(deps, operation, payment, hold, isTakenUp);
  if (outcome === null) return { kind: "unknown" };
  const driven = await finishOperation(deps, operation, payment, hold, outcome, traceparent);
  if (driven.kind === "done") deps.onEvents();
  return driven;
}

async function askProcessor(
  deps: DriveOperation,
  operation: OperationRow,
  payment: PaymentRow,
  hold: Hold,
  isTakenUp: boolean,
): Promise<FollowUpOutcome | null> {
  const call = processorCall(operation.kind, payment.captureMethod);
  if (call === null) return { kind: "done", amount: 0 };
  try {
    if (isTakenUp) {
      const known = await deps.processor.inquire(operation.id);
      if (known.kind === "failed") return known;
      if (known.kind !== "not_found") return { kind: "done", amount: known.amount };
    }
    const notAfter = sendUntil(hold, deps.processorCall);
    if (notAfter === null) return null;
    const about = { key: operation.id, notAfter, paymentId: payment.id };
    if (call === "void") return await deps.processor.void(about);
    return await deps.processor.capture({ ...about, amount: operation.amount ?? payment.amount });
  } catch (error) {
    if (error instanceof OutcomeUnknown) return null;
    throw error;
  }
}

/**
 * Ends the operation in one transaction with the payment's move, the event, the stored answer and what waited
 * for this end. A refusal leaves the payment as it was. Under a stale fence nothing changes.
 */
export function finishOperation(
  deps: Pick<DriveOperation, "sql" | "logger" | "refusedExpiryMs">,
  operation: OperationRow,
  payment: PaymentRow,
  hold: Hold,
  outcome: FollowUpOutcome,
  traceparent?: string,
): Promise<Driven> {
  return transact(deps.sql, async (transaction): Promise<Driven> => {
    const error = outcome.kind === "failed" ? outcome.error : null;
    const closed = await closeOperation(transaction, { id: operation.id, fence: hold.fence, error });
    if (closed === null) return { kind: "unknown" };
    if (outcome.kind === "failed") {
      deps.logger.warn(
        {
          payment_id: payment.id,
          tenant_id: payment.tenantId,
          request_id: closed.requestId,
          operation: closed.kind,
          code: error?.code,
        },
        "the processor refused an operation",
      );
      if (closed.kind === "expire") await postponeExpiry(transaction, payment.id, deps.refusedExpiryMs);
      await allowAnew(transaction, closed.idempotencyKey);
      await applyWaitingFlags(transaction, payment.id);
      return { kind: "refused", error: outcome.error };
    }
    const status = resultingStatus(closed.kind, payment.captureMethod);
    const moved = await movePayment(
      transaction,
      payment.id,
      status,
      status === "succeeded" ? outcome.amount : 0,
    );
    await insertOutbox(transaction, [stateEvent(moved, { requestId: closed.requestId, traceparent })]);
    const answer = { status: 200 as const, body: JSON.stringify(paymentResponse(moved)) };
    await answerRepeats(transaction, closed.idempotencyKey, answer);
    await applyWaitingFlags(transaction, payment.id);
    return { kind: "done", answer };
  });
}
