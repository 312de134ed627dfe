import type { TenantLimits } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import { type RecordChange, recordChange } from "../changes/record-change.ts";
import type { TenantRow } from "../schema.ts";
import type { Transact, Transaction } from "../transaction.ts";
import { requireByRest } from "./managed.ts";
import { tenantChanged } from "./tenant-event.ts";
import { type TenantResponse, type TenantsQuery, toTenant } from "./tenants.contract.ts";
import type { TenantStore } from "./tenants.store.ts";

/** What the platform's owner does with tenants. */
export interface GovernTenant extends RecordChange {
  readonly transact: Transact;
  readonly tenants: TenantStore;
  readonly cursors: Cursors;
  /** Tells the publisher and the relay that something was committed for them. */
  readonly announce: () => void;
}

/** All tenants, newest first. Fails with `invalid_cursor`. */
export async function listTenants(deps: GovernTenant, query: TenantsQuery): Promise<Page<TenantResponse>> {
  const limit = query.limit ?? 20;
  const before = query.cursor === undefined ? undefined : deps.cursors.decode("tenants", query.cursor);
  const rows = await deps.tenants.list(limit, before);
  return toPage(rows, limit, toTenant, (last) => deps.cursors.encode("tenants", last.tenantId));
}

/**
 * Refuses every key of the tenant from within a second on. Repeating it changes nothing. Fails with
 * `managed_by_kubernetes`, as all changes here do.
 */
export function suspendTenant(deps: GovernTenant, tenantId: string, requestId: string): Promise<TenantRow> {
  return setStatus(deps, tenantId, requestId, { status: "suspended", change: "suspended" });
}

/** Lets the tenant's keys work again. Repeating it changes nothing. */
export function resumeTenant(deps: GovernTenant, tenantId: string, requestId: string): Promise<TenantRow> {
  return setStatus(deps, tenantId, requestId, { status: "active", change: "resumed" });
}

function setStatus(
  deps: GovernTenant,
  tenantId: string,
  requestId: string,
  to: { readonly status: TenantRow["status"]; readonly change: "suspended" | "resumed" },
): Promise<TenantRow> {
  return govern(deps, tenantId, async (transaction, known) => {
    if (known.status === to.status) return known;
    const version = await recordChange(deps, transaction, tenantId);
    const row = await deps.tenants.update(transaction, tenantId, { status: to.status, version });
    await deps.tenants.addEvent(transaction, tenantChanged(row, to.change, requestId));
    return row;
  });
}

/** Sets what the tenant may use; counts everywhere from within a second on. */
export function setLimits(
  deps: GovernTenant,
  tenantId: string,
  limits: TenantLimits,
  requestId: string,
): Promise<TenantRow> {
  return govern(deps, tenantId, async (transaction) => {
    const version = await recordChange(deps, transaction, tenantId);
    const row = await deps.tenants.update(transaction, tenantId, { limits, version });
    await deps.tenants.addEvent(transaction, tenantChanged(row, "limits", requestId));
    return row;
  });
}

async function govern(
  deps: GovernTenant,
  tenantId: string,
  run: (transaction: Transaction, known: TenantRow) => Promise<TenantRow>,
): Promise<TenantRow> {
  if (!isId("ten", tenantId)) throw new DomainError("not_found");
  const row = await deps.transact(async (transaction) => {
    const known = await deps.tenants.lock(transaction, tenantId);
    if (known === undefined) throw new DomainError("not_found");
    requireByRest(known);
    return run(transaction, known);
  });
  deps.announce();
  return row;
}
