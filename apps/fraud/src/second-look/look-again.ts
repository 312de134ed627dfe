import type { EventEnvelope } from "@payflow/contracts/events.ts";
import type { ScoreRequest } from "@payflow/contracts/internal-fraud.ts";
import type { NewDecision } from "../decisions/decision.ts";
import { failModeRule, flaggedEvent } from "../decisions/flagged-event.ts";
import type { Policy } from "../policies/policy.ts";
import { strictness } from "../scoring/evaluate.ts";
import { type Decided, decidePayments, type ScorePayments } from "../scoring/score-payments.ts";
import type { LooksStore, SecondLook } from "./looks.store.ts";

export interface LookAgain extends ScorePayments {
  readonly looks: LooksStore;
}

/** The `traceparent` of the event that a second look was taken at, by payment. */
export type PaymentTraces = ReadonlyMap<string, string>;

/**
 * Takes the second look at payments that are ready for it: scores what was never scored, and tells payment
 * where the decision is stricter than what was applied, or where the fail mode held or blocked. Repeating it
 * tells nothing twice. Throws `unavailable` while a store is away.
 */
export async function lookAgain(
  deps: LookAgain,
  ready: readonly SecondLook[],
  traces: PaymentTraces = new Map(),
): Promise<void> {
  if (ready.length === 0) return;
  const decided = await decideAll(deps, ready);
  const events = ready.flatMap((look) => {
    const found = decided.get(look.paymentId);
    if (found === undefined) return [];
    const cause = { ...look, traceparent: traces.get(look.paymentId) };
    return eventsOfLook(cause, found.decision, found.policy.policy, deps.clock.now());
  });
  await deps.looks.finish([...decided.keys()], events);
  if (events.length > 0) deps.onFlagged();
}

/** The decisions there are, and new ones for the others; those were told by nobody yet. */
async function decideAll(deps: LookAgain, ready: readonly SecondLook[]): Promise<Map<string, Decided>> {
  const known = await deps.decisions.find(ready.map((look) => look.paymentId));
  const policies = await deps.policies.find(known);
  const decided = new Map<string, Decided>();
  for (const [index, decision] of known.entries()) {
    // One policy was found for each decision.
    decided.set(decision.paymentId, { decision, policy: policies[index] ?? deps.policies.fallback });
  }
  const open = ready.filter((look) => !decided.has(look.paymentId)).flatMap(toRequest);
  const made = await decidePayments(deps, open, { isDry: false, emits: false });
  for (const [paymentId, found] of made) decided.set(paymentId, found);
  return decided;
}

function toRequest(look: SecondLook): ScoreRequest[] {
  if (look.amount === null || look.currency === null) return [];
  const request = {
    payment_id: look.paymentId,
    tenant_id: look.tenantId,
    mode: look.mode,
    amount: look.amount,
    currency: look.currency,
    customer_id: look.customerId,
    card_fingerprint: look.cardFingerprint,
    ip: look.ip,
    request_id: look.requestId,
  };
  return [request];
}

/**
 * What a second look tells: that the fail mode acted, and that the decision is stricter than what was
 * applied.
 */
function eventsOfLook(
  look: Pick<SecondLook, "applied" | "source" | "requestId"> & { readonly traceparent?: string | undefined },
  decision: NewDecision,
  policy: Policy,
  flaggedAt: Date,
): EventEnvelope<"fraud.flagged">[] {
  const common = {
    paymentId: decision.paymentId,
    tenantId: decision.tenantId,
    mode: decision.mode,
    requestId: look.requestId,
    traceparent: look.traceparent,
    score: decision.score,
    flaggedAt,
    isLate: true,
  };
  const events: EventEnvelope<"fraud.flagged">[] = [];
  const applied = look.applied ?? "allow";
  if (look.source === "fail_mode" && (applied === "review" || applied === "block")) {
    events.push(flaggedEvent({ ...common, rule: failModeRule, decision: applied, isRefundWanted: false }));
  }
  if (decision.decision !== "allow" && strictness(decision.decision) > strictness(applied)) {
    const isRefundWanted = decision.decision === "block" && policy.late_block === "refund";
    const rule = decision.trigger ?? "score";
    events.push(flaggedEvent({ ...common, rule, decision: decision.decision, isRefundWanted }));
  }
  return events;
}
