import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import { type Sql, type TransactionSql, transact } from "@payflow/service-kit/store/database.ts";
import { type Admission, admissionRefusal } from "../idempotency/admission.ts";
import type { RequestKey, StoredAnswer } from "../idempotency/idempotency.ts";
import { answerRepeatsMeanwhile, claimOnce } from "../idempotency/once.ts";
import { type Hold, holdFrom } from "../recovery/hold.ts";
import type { RefundRow } from "../schema.ts";
import { type DriveRefund, driveRefund } from "./drive-refund.ts";
import type { CreateRefundBody } from "./refunds.contract.ts";
import { refundResponse } from "./refunds.contract.ts";
import { findPayment, postponeRefund } from "./refunds.store.ts";
import { newRefundId, reserveRefund } from "./reserve-refund.ts";

export interface CreateRefund extends DriveRefund, Admission {
  /** How long the first caller holds a refund; after that it counts as dead. */
  readonly firstLeaseMs: number;
  /** When a lost or late answer of the processor is first asked for again. */
  readonly firstInquiryMs: number;
  /** Takes over work that goes on after its request was answered. */
  readonly inBackground: (work: Promise<unknown>) => void;
}

export interface RefundRequest {
  readonly paymentId: string;
  readonly body: CreateRefundBody;
  readonly key: RequestKey;
  /** Whether the caller prefers not to wait for the processor. */
  readonly isAsync: boolean;
}

export type RefundClaim =
  | { readonly kind: "replayed"; readonly answer: StoredAnswer }
  | { readonly kind: "reserved"; readonly refund: RefundRow; readonly hold: Hold };

/**
 * Moves captured money back to the customer; all that is left when the body names no amount. Answers 201, or
 * 202 while the processor's answer is outstanding. Throws `not_found`, `invalid_state`,
 * `refund_exceeds_captured`, and `unavailable` while too many events wait for the bus.
 */
export async function createRefund(
  deps: CreateRefund,
  tenant: TenantContext,
  request: RefundRequest,
): Promise<{ readonly answer: StoredAnswer; readonly isReplay: boolean }> {
  const claim = await claimRefund(deps, tenant, request);
  if (claim.kind === "replayed") return { answer: claim.answer, isReplay: true };
  deps.onEvents();
  const work = takeRefund(deps, claim.refund, claim.hold, tenant.traceparent);
  if (!request.isAsync) return { answer: await work, isReplay: false };
  deps.inBackground(work);
  return { answer: await acceptRefund(deps.sql, claim.refund), isReplay: false };
}

/** Has the processor refund what this process holds; 202 where the end is left to recovery. */
async function takeRefund(
  deps: CreateRefund,
  refund: RefundRow,
  hold: Hold,
  traceparent?: string,
): Promise<StoredAnswer> {
  const answer = await driveRefund(deps, refund, hold, false, traceparent);
  if (answer !== null) return answer;
  const next = { waitMs: deps.firstInquiryMs, inquiries: 0 };
  return transact(deps.sql, async (transaction) => {
    await postponeRefund(transaction, refund.id, hold.fence, next);
    return acceptRefund(transaction, refund);
  });
}

/** Answers this request and its repeats with 202 until the refund is settled. */
async function acceptRefund(sql: Sql | TransactionSql, refund: RefundRow): Promise<StoredAnswer> {
  const body = JSON.stringify(refundResponse(refund));
  await answerRepeatsMeanwhile(sql, refund.idempotencyKey, body);
  return { status: 202, body };
}

/** Reserves the money, with the idempotency row and the event, before anything is asked of the processor. */
export function claimRefund(
  deps: Pick<CreateRefund, "sql" | "firstLeaseMs" | "outboxLimit">,
  tenant: TenantContext,
  request: RefundRequest,
): Promise<RefundClaim> {
  if (!isId("pay", request.paymentId)) throw new DomainError("not_found");
  return transact(deps.sql, async (transaction) => {
    const askedAt = performance.now();
    const id = newRefundId();
    const known = await claimOnce(transaction, request.key, id);
    if (known !== null) return { kind: "replayed", answer: known };
    const closed = admissionRefusal(deps);
    if (closed !== null) throw closed;
    const refund = await reserveRefund(transaction, tenant, request.paymentId, {
      id,
      amount: request.body.amount ?? null,
      reason: request.body.reason ?? null,
      requestId: tenant.requestId,
      idempotencyKey: request.key.id,
      flagEventId: null,
      leaseMs: deps.firstLeaseMs,
      ...(tenant.traceparent === undefined ? {} : { traceparent: tenant.traceparent }),
    });
    if (refund === null) throw await refusal(transaction, tenant, request);
    return { kind: "reserved", refund, hold: holdFrom(askedAt, refund.fence, deps.firstLeaseMs) };
  });
}

/** Why nothing could be reserved; thrown, so that the transaction leaves nothing behind. */
async function refusal(
  transaction: TransactionSql,
  tenant: TenantContext,
  request: RefundRequest,
): Promise<DomainError> {
  const payment = await findPayment(transaction, tenant, request.paymentId);
  if (payment === null) return new DomainError("not_found");
  if (payment.status !== "succeeded") {
    return new DomainError("invalid_state", `The payment is ${payment.status}; refund is not possible.`);
  }
  const left = payment.amountCaptured - payment.amountRefunded - payment.refundPending;
  return new DomainError(
    "refund_exceeds_captured",
    `At most ${left} of the captured ${payment.amountCaptured} is left to refund.`,
  );
}
