import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { type LookAgain, lookAgain, type PaymentTraces } from "./look-again.ts";

/**
 * Keeps the facts of new payments until it is known that they were scored in time. Events may come in any
 * order.
 */
export async function noteCreated(
  deps: LookAgain,
  events: readonly EventEnvelope<"payment.created">[],
): Promise<void> {
  const ready = await deps.looks.noteFacts(
    events.map(({ tenant_id, mode, request_id, data }) => ({
      paymentId: data.payment_id,
      tenantId: tenant_id,
      mode,
      amount: data.amount,
      currency: data.currency,
      customerId: data.customer_id,
      cardFingerprint: data.card_fingerprint,
      ip: data.ip,
      requestId: request_id,
    })),
  );
  await lookAgain(deps, ready, tracesOf(events));
}

/** Forgets payments that were scored in time, and takes the second look at the others. */
export async function noteOutcomes(
  deps: LookAgain,
  events: readonly EventEnvelope<"payment.authorized" | "payment.settled">[],
): Promise<void> {
  const scored = events.filter(({ data }) => data.scoring.source === "score");
  if (scored.length > 0) await deps.looks.forget(scored.map(({ data }) => data.payment_id));
  const unscored = events.flatMap(({ tenant_id, mode, request_id, data }) => {
    const { source, decision } = data.scoring;
    if (source === "score") return [];
    const outcome = {
      paymentId: data.payment_id,
      tenantId: tenant_id,
      mode,
      applied: decision ?? ("allow" as const), // Only the literal is one of the decisions.
      source,
      requestId: request_id,
    };
    return [outcome];
  });
  if (unscored.length === 0) return;
  await lookAgain(deps, await deps.looks.noteOutcomes(unscored), tracesOf(events));
}

/** What a second look causes belongs to the trace of the event that completed it. */
function tracesOf(events: readonly EventEnvelope[]): PaymentTraces {
  return new Map(
    events.flatMap(({ key, traceparent }): [string, string][] =>
      traceparent === undefined ? [] : [[key, traceparent]],
    ),
  );
}
