import type { TenantContext } from "@payflow/contracts/access.ts";
import type { PolicyResponse } from "./policies.contract.ts";
import type { PoliciesStore, StoredPolicy } from "./policies.store.ts";
import { policyHash } from "./policy.ts";
import type { PolicyCache } from "./policy-cache.ts";
import { readPolicy } from "./read-policy.ts";

export interface ChangePolicy {
  readonly storedPolicies: Pick<PoliciesStore, "get" | "put">;
  readonly policies: PolicyCache;
}

/**
 * Puts a tenant's policy in the place of the one before, in the key's mode. Fails with `invalid_request`,
 * or `managed_by_kubernetes` where a resource's policy governs the tenant.
 */
export async function putPolicy(
  deps: ChangePolicy,
  tenant: TenantContext,
  body: unknown,
): Promise<PolicyResponse> {
  const policy = readPolicy(body);
  const stored = await deps.storedPolicies.put(tenant, policyHash(policy), policy);
  deps.policies.forget(tenant);
  return toResponse(tenant, stored);
}

/** The policy in force for a tenant in the key's mode: its own, or the default one. */
export async function getPolicy(deps: ChangePolicy, tenant: TenantContext): Promise<PolicyResponse> {
  const stored = await deps.storedPolicies.get(tenant);
  if (stored !== null) return toResponse(tenant, stored);
  const { hash, policy } = deps.policies.fallback;
  return toResponse(tenant, { hash, policy, updatedAt: null, isGoverned: false });
}

function toResponse(
  tenant: TenantContext,
  stored: Omit<StoredPolicy, "updatedAt"> & { readonly updatedAt: Date | null },
): PolicyResponse {
  return {
    tenant_id: tenant.tenantId,
    mode: tenant.mode,
    policy_hash: stored.hash,
    is_default: stored.updatedAt === null,
    managed_by: stored.isGoverned ? "kubernetes" : null,
    updated_at: stored.updatedAt?.toISOString() ?? null,
    policy: stored.policy,
  };
}
