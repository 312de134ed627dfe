import { idTimeMs } from "@payflow/contracts/ids.ts";
import type { ScoreAnswer, ScoreRequest } from "@payflow/contracts/internal-fraud.ts";
import type { StoreClock } from "@payflow/service-kit/store/store-clock.ts";
import type { Decisions, NewDecision } from "../decisions/decision.ts";
import { flaggedEvent } from "../decisions/flagged-event.ts";
import { canonicalAddress } from "../policies/addresses.ts";
import type { CompiledPolicy } from "../policies/compile-policy.ts";
import type { PolicyCache } from "../policies/policy-cache.ts";
import { type Counters, countedOnceMs } from "./counters.store.ts";
import { evaluate, type Facts } from "./evaluate.ts";
import { seriesPlan } from "./series.ts";

export interface ScorePayments {
  readonly policies: PolicyCache;
  readonly counters: Counters;
  readonly decisions: Decisions;
  readonly clock: Pick<StoreClock, "now">;
  /** Called after a commit that left events in the outbox. */
  readonly onFlagged: () => void;
}

export interface Decided {
  readonly decision: NewDecision;
  /** The policy in force now, which an older decision need not have been made by. */
  readonly policy: CompiledPolicy;
}

/**
 * Scores payments for payment's app, in the order asked; an id that was decided before gets its first
 * decision again. Throws `unavailable` while the cache Redis or PostgreSQL is away. A dry run counts and
 * stores nothing.
 */
export async function scorePayments(
  deps: ScorePayments,
  requests: readonly ScoreRequest[],
  isDry = false,
): Promise<readonly ScoreAnswer[]> {
  const decided = await decidePayments(deps, requests, { isDry, emits: true });
  return requests.map((request) => {
    const found = decided.get(request.payment_id);
    if (found === undefined) throw new Error(`${request.payment_id} was left without a decision`);
    const { decision, policy } = found;
    return {
      payment_id: decision.paymentId,
      decision: decision.decision,
      score: decision.score,
      rules: decision.rules,
      fail_mode: policy.policy.fail_mode,
      steps: seriesPlan(policy).steps,
    };
  });
}

interface Item {
  readonly request: ScoreRequest;
  readonly policy: CompiledPolicy;
  readonly facts: Facts;
}

/**
 * Decides a batch: one call to Redis to count, or a few for many rules, one to PostgreSQL to store. `emits`
 * says whether decisions other than `allow` are told as `fraud.flagged`; a second look tells by itself.
 */
export async function decidePayments(
  deps: ScorePayments,
  requests: readonly ScoreRequest[],
  options: { readonly isDry: boolean; readonly emits: boolean },
): Promise<ReadonlyMap<string, Decided>> {
  const unique = [...new Map(requests.map((request) => [request.payment_id, request])).values()];
  // In the order of their unique keys, so that two processes lock rows in the same order.
  unique.sort((left, right) => (left.payment_id < right.payment_id ? -1 : 1));
  const owners = unique.map((request) => ({ tenantId: request.tenant_id, mode: request.mode }));
  const policies = await deps.policies.find(owners);
  const items = unique.map((request, index): Item => {
    // One policy was found for each request.
    return { request, policy: policies[index] as CompiledPolicy, facts: factsOf(request) };
  });

  const decided = new Map<string, Decided>();
  await answerAgain(deps, items.filter(needsLookUp), decided);
  const open = items.filter(({ request }) => !decided.has(request.payment_id));
  if (open.length === 0) return decided;
  const readings = await deps.counters.count(open.map(toCounted), options.isDry);
  const rows = open.map((item, index) => judge(item, readings[index] ?? []));
  const events = options.emits
    ? rows.flatMap((row, index) => eventsOf(row, open[index], deps.clock.now()))
    : [];
  const made = options.isDry
    ? new Set(rows.map((row) => row.paymentId))
    : await deps.decisions.insert(rows, events);
  if (events.length > 0 && !options.isDry) deps.onFlagged();
  for (const [index, decision] of rows.entries()) {
    const item = open[index];
    if (item !== undefined && made.has(decision.paymentId)) {
      decided.set(decision.paymentId, { decision, policy: item.policy });
    }
  }
  await answerAgain(
    deps,
    open.filter(({ request }) => !made.has(request.payment_id)),
    decided,
  );
  return decided;
}

/**
 * Finds first decisions. One of another tenant or mode under the same id would be a fault of the caller's.
 */
async function answerAgain(deps: ScorePayments, items: readonly Item[], decided: Map<string, Decided>) {
  if (items.length === 0) return;
  const found = await deps.decisions.find(items.map(({ request }) => request.payment_id));
  const byId = new Map(found.map((decision) => [decision.paymentId, decision]));
  for (const { request, policy } of items) {
    const decision = byId.get(request.payment_id);
    if (decision === undefined) continue;
    if (decision.tenantId !== request.tenant_id || decision.mode !== request.mode) {
      throw new Error(`${request.payment_id} belongs to another tenant or mode`);
    }
    decided.set(request.payment_id, { decision, policy });
  }
}

/**
 * Whether the payment may have been decided longer ago than the counters remember it: its id tells its age.
 * Clocks that differ only make this true for more payments.
 */
function needsLookUp({ request }: Item): boolean {
  return Math.abs(Date.now() - idTimeMs(request.payment_id)) > countedOnceMs / 3;
}

function toCounted({ request, policy, facts }: Item) {
  return {
    paymentId: request.payment_id,
    tenantId: request.tenant_id,
    mode: request.mode,
    facts,
    policy,
  };
}

/** What rules may look at, its address in one spelling. */
function factsOf(
  request: Omit<ScoreRequest, "payment_id" | "tenant_id" | "mode" | "request_id" | "traceparent">,
): Facts {
  return {
    amount: request.amount,
    currency: request.currency,
    customer: request.customer_id,
    card: request.card_fingerprint,
    ip: request.ip === null ? null : canonicalAddress(request.ip),
  };
}

function judge({ request, policy, facts }: Item, readings: Parameters<typeof evaluate>[2]): NewDecision {
  const { decision, score, rules, seen, trigger } = evaluate(policy, facts, readings);
  return {
    paymentId: request.payment_id,
    tenantId: request.tenant_id,
    mode: request.mode,
    decision,
    score,
    rules: [...rules],
    seen: [...seen],
    trigger,
    policyHash: policy.hash,
    ip: facts.ip,
  };
}

function eventsOf(row: NewDecision, item: Item | undefined, flaggedAt: Date) {
  if (row.decision === "allow") return [];
  const event = flaggedEvent({
    paymentId: row.paymentId,
    tenantId: row.tenantId,
    mode: row.mode,
    requestId: item?.request.request_id ?? null,
    traceparent: item?.request.traceparent,
    rule: row.trigger ?? "score",
    score: row.score,
    decision: row.decision,
    flaggedAt,
    isLate: false,
    isRefundWanted: false,
  });
  return [event];
}
