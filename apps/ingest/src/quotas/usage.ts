import type { Mode, TenantContext } from "@payflow/contracts/access.ts";
import { orUnavailable } from "@payflow/service-kit/store/redis.ts";
import type { AllowanceStore } from "./allowance.store.ts";
import { monthOf, nextMonth } from "./month.ts";

export interface ReadUsage {
  readonly usage: Pick<AllowanceStore, "stored">;
  /** Milliseconds since 1970, by the store's clock. */
  readonly now: () => number;
}

/** A tenant's events of the present month. */
export interface Usage {
  readonly month: string;
  readonly accepted: Record<Mode, number>;
  /** Both modes together may store so many; null without a limit. */
  readonly allowance: number | null;
  readonly resetsAt: number;
}

/**
 * Counts what the tenant has stored this month, in both modes: the allowance is one for both. Throws
 * `unavailable` while Redis is away.
 */
export async function readUsage(deps: ReadUsage, { tenantId, limits }: TenantContext): Promise<Usage> {
  const nowMs = deps.now();
  const month = monthOf(nowMs);
  const accepted = await orUnavailable("The count of events", () => deps.usage.stored(tenantId, month));
  return { month, accepted, allowance: limits.monthly_events, resetsAt: nextMonth(nowMs) };
}
