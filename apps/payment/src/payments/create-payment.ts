import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { outboxRow } from "@payflow/service-kit/outbox/outbox.ts";
import { type Admission, admissionRefusal } from "../idempotency/admission.ts";
import { type KnownRequest, type RequestKey, replay, type StoredAnswer } from "../idempotency/idempotency.ts";
import { type Hold, holdFrom } from "../recovery/hold.ts";
import type { PaymentRow } from "../schema.ts";
import { type ChargePayment, chargePayment } from "./charge-payment.ts";
import type { Scoring } from "./conclude.ts";
import { type FinishedPayment, type FinishPayment, finishPayment } from "./finish-payment.ts";
import type { Scorer } from "./fraud/score-payment.ts";
import { type EventCause, paymentCreated } from "./payment-events.ts";
import { type CreatePaymentBody, renderAnswer } from "./payments.contract.ts";
import type { PaymentStore } from "./payments.store.ts";

export interface CreatePayment extends ChargePayment, FinishPayment, Admission {
  readonly payments: PaymentStore;
  readonly scorer: Pick<Scorer, "score">;
  /** What the first request with a key left; asked before a refusal that the key's first answer outweighs. */
  readonly findKey: (id: string) => Promise<KnownRequest | null>;
  /** How long a new payment is held by whoever made it; the store was told the same. */
  readonly firstLeaseMs: number;
  /** When a lost or late answer of the processor is first asked for again. */
  readonly firstInquiryMs: number;
  /** Takes over work that goes on after its request was answered. */
  readonly inBackground: (work: Promise<unknown>) => void;
  /** Applies a flag that fraud raised while the payment was open. */
  readonly onLateFlag: (payment: PaymentRow) => Promise<void>;
}

export interface PaymentRequest {
  readonly body: CreatePaymentBody;
  readonly key: RequestKey;
  /** Whether the caller prefers not to wait. */
  readonly isAsync: boolean;
}

export interface Answered {
  readonly answer: StoredAnswer;
  readonly isReplay: boolean;
}

const defaultPaymentMethod = "pm_card_ok";

/**
 * Takes a payment: claims it, has it scored, charges it and answers; amounts in minor units. Throws
 * `amount_over_limit`, `invalid_request` for an unknown payment method, `idempotency_key_reused`,
 * `idempotency_in_progress`, and `unavailable` while too many events wait for the bus. A declined or blocked
 * payment is an answer, not an error.
 */
export async function createPayment(
  deps: CreatePayment,
  tenant: TenantContext,
  request: PaymentRequest,
): Promise<Answered> {
  const refusal = refusalOf(deps, tenant, request.body) ?? admissionRefusal(deps);
  if (refusal !== null) return firstAnswerOr(deps, request.key, refusal);
  const cause: EventCause = { requestId: tenant.requestId, traceparent: tenant.traceparent };
  const row = newPayment(tenant, request, deps.clock.now());
  const accepted = request.isAsync ? renderAnswer(row) : null;
  const askedAt = performance.now();
  const known = await deps.payments.claim({
    row,
    key: request.key,
    event: outboxRow(paymentCreated(row, cause)).envelope,
    answer: accepted,
  });
  if (known !== null) return { answer: replay(known, request.key), isReplay: true };
  const work = takePayment(deps, row, holdFrom(askedAt, row.fence, deps.firstLeaseMs), cause);
  if (accepted === null) return { answer: await work, isReplay: false };
  deps.inBackground(work);
  return { answer: accepted, isReplay: false };
}

/**
 * Scores, charges and finishes a payment that this process holds; the answer, 202 where its end is left to
 * recovery.
 */
async function takePayment(
  deps: CreatePayment,
  row: PaymentRow,
  hold: Hold,
  cause: EventCause,
): Promise<StoredAnswer> {
  const scoring = await deps.scorer.score(row, cause.traceparent);
  const outcome = await chargePayment(deps, row, scoring, hold);
  if (outcome === null) return leaveToRecovery(deps, row, scoring);
  const finished = await finishPayment(deps, row, scoring, outcome, cause);
  if (finished === null) return answerOfOther(deps, row);
  return afterFinish(deps, finished);
}

async function afterFinish(deps: CreatePayment, finished: FinishedPayment): Promise<StoredAnswer> {
  // The flag stands in the database and recovery would find it; applying it here only makes it prompt.
  if (finished.lateDecision !== null) deps.inBackground(deps.onLateFlag(finished.payment));
  return finished.answer;
}

async function leaveToRecovery(
  deps: CreatePayment,
  row: PaymentRow,
  scoring: Scoring,
): Promise<StoredAnswer> {
  const accepted = renderAnswer(row);
  const judged: PaymentRow = {
    ...row,
    fraudDecision: scoring.decision,
    fraudScore: scoring.score,
    fraudRules: scoring.rules.length === 0 ? null : JSON.stringify(scoring.rules),
    scoringSource: scoring.source,
  };
  const isLeft = await deps.payments.postpone(judged, accepted, deps.firstInquiryMs);
  return isLeft ? accepted : answerOfOther(deps, row);
}

/** Somebody took the payment over meanwhile: their answer, or that they are at it. */
async function answerOfOther(deps: CreatePayment, row: PaymentRow): Promise<StoredAnswer> {
  const known = await deps.findKey(row.idempotencyKey);
  return known?.answer ?? renderAnswer(row);
}

async function firstAnswerOr(deps: CreatePayment, key: RequestKey, refusal: DomainError): Promise<Answered> {
  const known = await deps.findKey(key.id);
  if (known === null) throw refusal;
  return { answer: replay(known, key), isReplay: true };
}

function refusalOf(deps: CreatePayment, tenant: TenantContext, body: CreatePaymentBody): DomainError | null {
  const method = body.payment_method;
  if (method !== undefined && !deps.processor.accepts(method)) {
    return new DomainError("invalid_request", undefined, {
      errors: [{ pointer: "/payment_method", message: "The processor knows no such payment method" }],
    });
  }
  const maximum = tenant.limits.max_payment_amount;
  if (maximum === null || body.amount <= maximum) return null;
  return new DomainError("amount_over_limit", `The tenant's maximum is ${maximum} in minor units.`);
}

function newPayment(tenant: TenantContext, request: PaymentRequest, now: Date): PaymentRow {
  const { body } = request;
  return {
    id: newId("pay"),
    tenantId: tenant.tenantId,
    mode: tenant.mode,
    amount: body.amount,
    amountCaptured: 0,
    amountRefunded: 0,
    refundPending: 0,
    currency: body.currency,
    status: "processing",
    captureMethod: body.capture_method ?? "automatic",
    paymentMethod: body.payment_method ?? defaultPaymentMethod,
    description: body.description ?? null,
    metadata: body.metadata === undefined ? null : JSON.stringify(body.metadata),
    customerId: body.customer_id ?? null,
    cardFingerprint: body.card_fingerprint ?? null,
    ip: body.ip ?? null,
    errorCode: null,
    errorMessage: null,
    fraudDecision: null,
    fraudScore: null,
    fraudRules: null,
    scoringSource: "none",
    lateDecision: null,
    sequence: 1,
    requestId: tenant.requestId,
    idempotencyKey: request.key.id,
    fence: 1,
    dueAt: null,
    inquiries: 0,
    createdAt: now,
    updatedAt: now,
    settledAt: null,
  };
}
