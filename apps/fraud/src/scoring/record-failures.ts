import type { EventEnvelope } from "@payflow/contracts/events.ts";
import type { Decisions } from "../decisions/decision.ts";
import type { CompiledPolicy } from "../policies/compile-policy.ts";
import type { PolicyCache } from "../policies/policy-cache.ts";
import type { Counters } from "./counters.store.ts";
import { seriesPlan, seriesTypes } from "./series.ts";

export interface RecordFailures {
  readonly policies: PolicyCache;
  readonly counters: Counters;
  readonly decisions: Pick<Decisions, "find">;
}

/**
 * Feeds payments that failed at the processor to the rules that count failures; what fraud blocked never
 * failed. Idempotent by payment and time of failure, so a redelivery however late counts nothing twice.
 */
export async function recordFailures(
  deps: RecordFailures,
  events: readonly EventEnvelope<"payment.settled">[],
): Promise<void> {
  const failed = events.filter(
    ({ data }) => data.status === "failed" && data.error?.code !== "fraud_blocked",
  );
  if (failed.length === 0) return;
  const policies = await deps.policies.find(
    failed.map(({ tenant_id, mode }) => ({ tenantId: tenant_id, mode })),
  );
  // The event does not carry the address; the decision does, and is asked only where a rule wants it.
  const wantAddress = failed.filter((_, index) => countsByAddress(policies[index]));
  const decisions = await deps.decisions.find(wantAddress.map(({ data }) => data.payment_id));
  const addresses = new Map(decisions.map((decision) => [decision.paymentId, decision.ip]));
  await deps.counters.recordFailures(
    failed.map(({ tenant_id, mode, data }, index) => ({
      paymentId: data.payment_id,
      tenantId: tenant_id,
      mode,
      policy: policies[index] ?? deps.policies.fallback,
      failedAt: new Date(data.settled_at),
      facts: {
        amount: data.amount,
        currency: data.currency,
        customer: data.customer_id,
        card: data.card_fingerprint,
        ip: addresses.get(data.payment_id) ?? null,
      },
    })),
  );
}

function countsByAddress(policy: CompiledPolicy | undefined): boolean {
  if (policy === undefined) return false;
  return seriesPlan(policy).series.some(
    (series) => series.type === seriesTypes.failures && series.dimension === "ip",
  );
}
