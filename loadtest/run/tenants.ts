import { insist } from "./calls.ts";
import { adminToken, urls } from "./settings.ts";

/** A tenant of one run's own. */
export interface Tenant {
  readonly id: string;
  readonly key: string;
}

/** What `setup` hands to the iterations and to the audit. */
export interface Run {
  readonly tenants: readonly Tenant[];
  /** When it began: what must be the same in every repetition of an event. */
  readonly startedAt: string;
}

const unlimited = {
  requests_per_second: 1_000_000,
  burst: 2_000_000,
  events_per_second: 1_000_000,
  monthly_events: null,
  max_payment_amount: null,
};

const headers = { authorization: `Bearer ${adminToken}` };

/** Registers tenants whose limits no scenario reaches. */
export function registerTenants(count: number): Tenant[] {
  return Array.from({ length: count }, (_, index) => {
    // Again where a store was away for a moment: at worst a tenant more is registered, which nobody uses.
    const made = insist<{ tenant_id: string; api_key: string }>({
      method: "POST",
      url: `${urls.tenant}/tenants/register`,
      route: "setup",
      headers,
      body: { name: `Load test ${index}`, email: `load-${index}@example.com` },
    });
    if (made.status !== 201) throw new Error(`registration answered ${made.status}: ${problemOf(made.text)}`);
    const tenant = { id: made.body.tenant_id, key: made.body.api_key };
    setLimits(tenant, {});
    return tenant;
  });
}

/** Sets a tenant's limits; those that are left out are beyond all loads. */
export function setLimits(tenant: Tenant, limits: Readonly<Record<string, number>>): void {
  const set = insist({
    method: "PUT",
    url: `${urls.tenant}/tenants/${tenant.id}/limits`,
    route: "setup",
    headers,
    body: { ...unlimited, ...limits },
  });
  if (set.status !== 200) throw new Error(`setting limits answered ${set.status}: ${problemOf(set.text)}`);
}

/** Of a refusal, what may be shown. */
function problemOf(text: string): string {
  return text.slice(0, 300);
}
