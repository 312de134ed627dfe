import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import type { TenantRow } from "../schema.ts";
import type { Transact } from "../transaction.ts";
import { requireByRest } from "./managed.ts";
import { tenantChanged } from "./tenant-event.ts";
import type { UpdateTenantBody } from "./tenants.contract.ts";
import type { TenantStore } from "./tenants.store.ts";

export interface UpdateTenant {
  readonly transact: Transact;
  readonly tenants: TenantStore;
  /** Tells the relay that an event was committed. */
  readonly announce: () => void;
}

/**
 * Changes name or address; what is left out stays. No key's rights depend on them. Fails with
 * `managed_by_kubernetes`.
 */
export async function updateTenant(
  deps: UpdateTenant,
  context: TenantContext,
  request: UpdateTenantBody,
): Promise<TenantRow> {
  const changed = await deps.transact(async (transaction) => {
    const known = await deps.tenants.lock(transaction, context.tenantId);
    if (known === undefined) throw new DomainError("not_found");
    requireByRest(known);
    const row = await deps.tenants.update(transaction, context.tenantId, request);
    await deps.tenants.addEvent(transaction, tenantChanged(row, "updated", context.requestId));
    return row;
  });
  deps.announce();
  return changed;
}
