import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import { type Sql, type TransactionSql, transact } from "@payflow/service-kit/store/database.ts";
import type { RequestKey, StoredAnswer } from "../idempotency/idempotency.ts";
import { answerRepeatsMeanwhile, claimOnce } from "../idempotency/once.ts";
import { paymentResponse } from "../payments/payments.contract.ts";
import { type Hold, holdFrom } from "../recovery/hold.ts";
import type { OperationRow, PaymentRow } from "../schema.ts";
import { type DriveOperation, driveOperation } from "./drive-operation.ts";
import { admits, type OperationKind, processorCall, refusal } from "./operation.ts";
import { insertOperation, lockPayment, openKind, postponeOperation } from "./operations.store.ts";

export interface Operate extends DriveOperation {
  /** How long the first caller holds an operation; after that it counts as dead. */
  readonly firstLeaseMs: number;
  /** When a lost or late answer of the processor is first asked for again. */
  readonly firstInquiryMs: number;
  /** Takes over work that goes on after its request was answered. */
  readonly inBackground: (work: Promise<unknown>) => void;
}

export interface OperationRequest {
  readonly paymentId: string;
  readonly kind: OperationKind;
  /** Minor units to capture; null for the whole amount and for what moves no money. */
  readonly amount: number | null;
  readonly key: RequestKey;
  /** Whether the caller prefers not to wait for the processor. */
  readonly isAsync: boolean;
}

export type OperationClaim =
  | { readonly kind: "replayed"; readonly answer: StoredAnswer }
  | {
      readonly kind: "opened";
      readonly operation: OperationRow;
      readonly payment: PaymentRow;
      readonly hold: Hold;
    };

/**
 * Captures, voids, approves or rejects a payment. Answers 200, or 202 while the processor's answer is
 * outstanding. Throws `not_found`, `invalid_state` (also when the processor refuses) or
 * `capture_exceeds_authorized`.
 */
export async function operate(
  deps: Operate,
  tenant: TenantContext,
  request: OperationRequest,
): Promise<{ readonly answer: StoredAnswer; readonly isReplay: boolean }> {
  const claim = await claimOperation(deps, tenant, request);
  if (claim.kind === "replayed") return { answer: claim.answer, isReplay: true };
  const work = takeOperation(deps, claim, tenant.traceparent);
  if (request.isAsync) {
    // A refusal reaches nobody: the payment stands as it did, and the key may be used anew.
    deps.inBackground(work.catch((error: unknown) => ignoreRefusal(error)));
    return { answer: await acceptOperation(deps.sql, claim), isReplay: false };
  }
  return { answer: await work, isReplay: false };
}

type Opened = Extract<OperationClaim, { kind: "opened" }>;

/** Has the processor do what this process holds; 202 where the end is left to recovery. */
async function takeOperation(deps: Operate, opened: Opened, traceparent?: string): Promise<StoredAnswer> {
  const { operation, payment, hold } = opened;
  const driven = await driveOperation(deps, operation, payment, hold, false, traceparent);
  if (driven.kind === "done") return driven.answer;
  if (driven.kind === "refused") {
    throw new DomainError("invalid_state", `The processor refused: ${driven.error.message}`);
  }
  const next = { waitMs: deps.firstInquiryMs, inquiries: 0 };
  return transact(deps.sql, async (transaction) => {
    await postponeOperation(transaction, operation.id, hold.fence, next);
    return acceptOperation(transaction, opened);
  });
}

/**
 * Answers this request and its repeats with 202 and the payment as it stands, until the operation is ended.
 */
async function acceptOperation(sql: Sql | TransactionSql, opened: Opened): Promise<StoredAnswer> {
  const body = JSON.stringify(paymentResponse(opened.payment));
  await answerRepeatsMeanwhile(sql, opened.operation.idempotencyKey, body);
  return { status: 202, body };
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof DomainError)) throw error;
}

/**
 * Opens the operation together with its idempotency row, before anything is asked of the processor. The
 * payment is locked meanwhile, so that of two at once the second sees the first and is refused.
 */
export function claimOperation(
  deps: Pick<Operate, "sql" | "firstLeaseMs">,
  tenant: TenantContext,
  request: OperationRequest,
): Promise<OperationClaim> {
  if (!isId("pay", request.paymentId)) throw new DomainError("not_found");
  return transact(deps.sql, async (transaction): Promise<OperationClaim> => {
    const askedAt = performance.now();
    const id = Bun.randomUUIDv7();
    const known = await claimOnce(transaction, request.key, id);
    if (known !== null) return { kind: "replayed", answer: known };
    const payment = await lockPayment(transaction, tenant, request.paymentId);
    if (payment === null) throw new DomainError("not_found");
    await refuseUnlessAdmitted(transaction, payment, request);
    const movesMoney = processorCall(request.kind, payment.captureMethod) === "capture";
    const operation = await insertOperation(transaction, {
      id,
      paymentId: payment.id,
      kind: request.kind,
      amount: movesMoney ? (request.amount ?? payment.amount) : null,
      requestId: tenant.requestId,
      idempotencyKey: request.key.id,
      leaseMs: deps.firstLeaseMs,
    });
    const hold = holdFrom(askedAt, operation.fence, deps.firstLeaseMs);
    return { kind: "opened", operation, payment, hold };
  });
}

async function refuseUnlessAdmitted(
  transaction: TransactionSql,
  payment: PaymentRow,
  request: OperationRequest,
): Promise<void> {
  const open = await openKind(transaction, payment.id);
  if (open !== null || !admits(request.kind, payment)) {
    throw new DomainError("invalid_state", refusal(request.kind, payment, open));
  }
  if (request.amount !== null && request.amount > payment.amount) {
    throw new DomainError(
      "capture_exceeds_authorized",
      `${request.amount} is more than the authorized ${payment.amount}.`,
    );
  }
}
