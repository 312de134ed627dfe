import { DomainError } from "@payflow/contracts/errors.ts";
import {
  type FailMode,
  maxScoreBatch,
  maxScoreSteps,
  mostScoreSteps,
  type ScoreAnswer,
  type ScoreRequest,
  ScoresAnswer,
  scoresPath,
} from "@payflow/contracts/internal-fraud.ts";
import { coalesce } from "@payflow/service-kit/concurrency/coalesce.ts";
import type { InternalClient } from "@payflow/service-kit/http/internal-client.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { PaymentRow } from "../../schema.ts";
import type { Scoring } from "../conclude.ts";

export interface ScorePayments {
  readonly fraud: InternalClient;
  /** How long a payment waits for its decision. */
  readonly timeoutMs: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Scorer {
  /** The payment's decision; by the tenant's fail mode when fraud is away or late. Never throws. */
  score(payment: PaymentRow, traceparent?: string): Promise<Scoring>;
  /** Has fraud evaluate a batch that counts nothing, so that the first payment finds everything warm. */
  warmUp(): Promise<void>;
}

interface Waiting {
  readonly payment: PaymentRow;
  readonly traceparent: string | undefined;
  /** Nobody waits for the answer any more. */
  isGivenUp: boolean;
}

/** What fraud's answers say of a tenant's policy. */
interface Policy {
  readonly failMode: FailMode;
  /** What counting one payment takes. */
  readonly steps: number;
}

/** Tenants and modes whose policies are remembered at most. */
const maxPolicies = 50_000;

/**
 * Asks fraud for decisions, those of concurrent payments in one call. Tenants take turns, and a call asks for
 * no more counting than is done soon: neither a tenant's many payments nor its many rules hold up another's.
 */
export function createScorer(deps: ScorePayments): Scorer {
  const policies = new Map<string, Policy>();
  const scored = deps.metrics.counter("payflow_payment_scored_total", "Payments by how they were judged.", [
    "source",
    "decision",
  ]);
  const ask = coalesce<Waiting, ScoreAnswer | null>({
    run: (waiting) => askFraud(deps, waiting),
    maxBatch: maxScoreBatch,
    callerOf: ({ payment }) => ownerOf(payment),
    weigh: ({ payment, isGivenUp }) =>
      isGivenUp ? 0 : (policies.get(ownerOf(payment))?.steps ?? mostScoreSteps),
    maxWeight: maxScoreSteps,
    maxInFlight: 2,
    isOutage: (error) => error instanceof DomainError && error.reason === "unavailable",
  });

  async function score(payment: PaymentRow, traceparent?: string): Promise<Scoring> {
    const owner = ownerOf(payment);
    const answer = await inTime(deps, ask, payment, traceparent);
    if (answer !== null) {
      if (policies.size >= maxPolicies && !policies.has(owner)) policies.clear();
      policies.set(owner, { failMode: answer.fail_mode, steps: answer.steps ?? mostScoreSteps });
    }
    const scoring: Scoring =
      answer === null
        ? byFailMode(policies.get(owner)?.failMode)
        : { decision: answer.decision, score: answer.score, rules: answer.rules, source: "score" };
    scored.inc({ source: scoring.source, decision: scoring.decision ?? "none" });
    return scoring;
  }

  return {
    score,
    async warmUp() {
      const body = { payments: [dryPayment], dry: true };
      await deps.fraud.call("POST", scoresPath, body, { answer: ScoresAnswer, timeoutMs: 2_000 });
    },
  };
}

/** Whose policy holds for a payment. */
function ownerOf(payment: PaymentRow): string {
  return `${payment.tenantId}:${payment.mode}`;
}

/** A decision that names the fail mode as its reason; policies may not call a rule so. */
function byFailMode(failMode: FailMode = "review"): Scoring {
  return { decision: failMode, score: null, rules: ["fail_mode"], source: "fail_mode" };
}

/** The answer for one payment; null when it did not come in time. */
function inTime(
  deps: ScorePayments,
  ask: (waiting: Waiting) => Promise<ScoreAnswer | null>,
  payment: PaymentRow,
  traceparent: string | undefined,
): Promise<ScoreAnswer | null> {
  return new Promise((resolve) => {
    const waiting: Waiting = { payment, traceparent, isGivenUp: false };
    const timer = setTimeout(() => {
      waiting.isGivenUp = true;
      resolve(null);
    }, deps.timeoutMs);
    const settle = (answer: ScoreAnswer | null) => {
      clearTimeout(timer);
      resolve(answer);
    };
    ask(waiting).then(settle, (error: unknown) => {
      const about = { payment_id: payment.id, request_id: payment.requestId };
      deps.logger.debug({ err: error, ...about }, "fraud gave no decision");
      settle(null);
    });
  });
}

async function askFraud(deps: ScorePayments, waiting: readonly Waiting[]): Promise<(ScoreAnswer | null)[]> {
  const wanted = waiting.filter((one) => !one.isGivenUp);
  if (wanted.length === 0) return waiting.map(() => null);
  const { decisions } = await deps.fraud.call(
    "POST",
    scoresPath,
    { payments: wanted.map(scoreRequest) },
    { answer: ScoresAnswer, timeoutMs: deps.timeoutMs, ...causeOf(wanted) },
  );
  const byId = new Map(decisions.map((one) => [one.payment_id, one]));
  return waiting.map((one) => byId.get(one.payment.id) ?? null);
}

/** The call is made in the trace of its first payment and linked to those of the others. */
function causeOf(wanted: readonly Waiting[]) {
  const requestId = wanted[0]?.payment.requestId;
  const [traceparent, ...otherTraceparents] = wanted.flatMap((one) => one.traceparent ?? []);
  return {
    ...(requestId === undefined ? {} : { requestId }),
    ...(traceparent === undefined ? {} : { traceparent, otherTraceparents }),
  };
}

function scoreRequest({ payment, traceparent }: Waiting): ScoreRequest {
  return {
    payment_id: payment.id,
    tenant_id: payment.tenantId,
    mode: payment.mode,
    amount: payment.amount,
    currency: payment.currency,
    customer_id: payment.customerId,
    card_fingerprint: payment.cardFingerprint,
    ip: payment.ip,
    request_id: payment.requestId,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

const dryPayment: ScoreRequest = {
  payment_id: "pay_00000000000000000000000000",
  tenant_id: "ten_00000000000000000000000000",
  mode: "test",
  amount: 1,
  currency: "EUR",
  customer_id: null,
  card_fingerprint: null,
  ip: null,
  request_id: null,
};
