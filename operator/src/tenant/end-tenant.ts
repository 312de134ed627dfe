import { governedId } from "@payflow/contracts/internal-operator.ts";
import { InternalTenant, internalTenantPath } from "@payflow/contracts/internal-tenant.ts";
import type { Reconciling } from "../governing/reconciling.ts";
import { AppAway, Refused } from "../governing/refusals.ts";
import { abandonSecret, type OwnedSecret, readSecret, releaseSecret } from "../keys/owned-secret.ts";
import { settleKeys } from "../keys/settle-keys.ts";
import type { Pass } from "../kubernetes/controller/reconciler.ts";
import { removeFinalizer } from "../kubernetes/objects/finalizers.ts";
import { type Tenant, tenantKind, tenantSecretName } from "./tenant.resource.ts";
import { tenantBody, wantedKeys } from "./tenant-body.ts";

export const tenantFinalizer = "payflow.dev/tenant";

/** Until a tenant that is closing is asked about again. */
const closingMs = 2_000;

/**
 * Ends what a deleted resource governs, by its policy, and lets it go. Throws `Refused` where the policy
 * cannot be followed, and `AppAway` while it needs more time.
 */
export async function endTenant(
  deps: Reconciling,
  tenant: Tenant,
  found: InternalTenant | undefined,
  pass: Pass,
): Promise<void> {
  const { deletion_policy: policy } = tenantBody(tenant.spec);
  const secret = await secretOf(deps, tenant);
  const isRetained = policy === "retain";
  if (isRetained && secret?.object !== undefined && found?.managed_by === "kubernetes") {
    // A replacement that is under way is finished, since nobody would set the end of the key before it.
    const wanted = { ...wantedKeys(tenant), intervalMs: undefined, rotateNow: undefined };
    await settleKeys(deps, { tenant, found, wanted, wasInForce: false }, pass);
  }
  const path = `${internalTenantPath(governedId("ten", tenant.metadata.uid))}?policy=${policy}`;
  const ended = await deps.apps.tenant.remove(tenant, path, InternalTenant, pass);
  deps.crash("tenant.ended");
  if (ended?.state === "closing") {
    const message = "The tenant is closed; it is erased once no key of it can be in use anywhere.";
    throw new AppAway("Closing", message, closingMs);
  }
  const left = await secretOf(deps, tenant);
  if (left !== undefined) await (isRetained ? releaseSecret(deps, left) : abandonSecret(deps, left));
  deps.crash("tenant.secret-left");
  await removeFinalizer(deps.leading.client, tenantKind, tenant, tenantFinalizer);
}

/** The tenant's Secret as it is now; undefined where there is one that is not the tenant's. */
async function secretOf(deps: Reconciling, tenant: Tenant): Promise<OwnedSecret | undefined> {
  try {
    const owner = { kind: tenantKind, metadata: tenant.metadata };
    return await readSecret(deps, owner, tenantSecretName(tenant));
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}
