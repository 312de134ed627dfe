import type { InternalTenant, PutTenantBody } from "@payflow/contracts/internal-tenant.ts";
import { rotateNowOf } from "../governing/annotations.ts";
import { differingFields } from "../governing/drift.ts";
import type { WantedKeys } from "../keys/api-key-slot.ts";
import { durationSeconds } from "../resources/duration.ts";
import type { Tenant, TenantSpec } from "./tenant.resource.ts";

const deletionPolicies = { Retain: "retain", Archive: "archive", Purge: "purge" } as const;

/** What the tenant app is told: all that the resource says of the tenant itself. */
export function tenantBody(spec: TenantSpec): PutTenantBody {
  const { limits } = spec;
  return {
    name: spec.displayName,
    email: spec.contactEmail,
    mode: spec.mode,
    currency: spec.currency,
    limits: {
      requests_per_second: limits.requestsPerSecond,
      burst: limits.burst,
      events_per_second: limits.eventsPerSecond,
      monthly_events: limits.monthlyEvents ?? null,
      max_payment_amount: limits.maxPaymentMinor ?? null,
    },
    suspended: spec.suspended,
    deletion_policy: deletionPolicies[spec.deletionPolicy],
  };
}

/** The fields in which a tenant is not as its resource says. That it is suspended is shown as its status. */
export function driftOf(spec: TenantSpec, found: InternalTenant): string[] {
  return differingFields(tenantBody(spec), { ...found, suspended: found.status === "suspended" });
}

/** What the resource says of the tenant's keys. */
export function wantedKeys(tenant: Tenant): WantedKeys {
  const { scopes, rotation } = tenant.spec.apiKey;
  return {
    scopes,
    intervalMs: rotation.policy === "Scheduled" ? durationSeconds(rotation.interval) * 1_000 : undefined,
    overlapMs: durationSeconds(rotation.overlap) * 1_000,
    rotateNow: rotateNowOf(tenant),
    followedRotateNow: tenant.status?.lastHandledRotateNow,
  };
}
