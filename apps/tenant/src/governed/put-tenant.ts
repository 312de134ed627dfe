import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import type { Governor } from "@payflow/contracts/internal-operator.ts";
import type { InternalTenant, PutTenantBody } from "@payflow/contracts/internal-tenant.ts";
import { type RecordChange, recordChange } from "../changes/record-change.ts";
import { tenantChanged } from "../tenants/tenant-event.ts";
import type { Transact, Transaction } from "../transaction.ts";
import type { GovernedStore } from "./governed.store.ts";
import { changedForGood, changesTo, requireOwnId, toInternal } from "./governed-tenant.ts";

export interface GovernByOperator extends RecordChange {
  readonly transact: Transact;
  readonly governed: GovernedStore;
  /** Tells the publisher and the relay that something was committed for them. */
  readonly announce: () => void;
}

/**
 * Makes the tenant what its resource says; one that is so already is not touched. Fails with `stale_leader`,
 * `stale_generation`, `governed_by_another`, `immutable_field`, or `invalid_state` once it was ended.
 */
export async function putTenant(
  deps: GovernByOperator,
  governor: Governor,
  tenantId: string,
  wanted: PutTenantBody,
  requestId: string,
): Promise<InternalTenant> {
  requireOwnId(governor, tenantId);
  const isChanged = await deps.transact(async (tx) => {
    const claim = await deps.governed.hold(tx, governor, tenantId);
    if (claim.isReleased) throw new DomainError("invalid_state", "The resource of the tenant was deleted.");
    await deps.governed.note(tx, governor, tenantId, claim);
    return apply(deps, tx, tenantId, wanted, requestId);
  });
  if (isChanged) deps.announce();
  return readInternalTenant(deps, tenantId);
}

async function apply(
  deps: GovernByOperator,
  tx: Transaction,
  tenantId: string,
  wanted: PutTenantBody,
  requestId: string,
): Promise<boolean> {
  const row = await deps.governed.lock(tx, tenantId);
  const values = { ...wanted, status: wanted.suspended ? ("suspended" as const) : ("active" as const) };
  if (row === undefined) {
    const made = await deps.governed.insert(tx, tenantId, values);
    await deps.governed.addEvent(tx, tenantChanged(made, "registered", requestId));
    return true;
  }
  if (row.ended !== null) throw new DomainError("invalid_state", `The tenant is ${row.ended}.`);
  const errors = changedForGood(row, wanted);
  if (errors.length > 0) throw new DomainError("immutable_field", undefined, { errors });
  const changes = changesTo(row, wanted);
  if (changes.length === 0 && row.deletionPolicy === wanted.deletion_policy) return false;
  // Names and addresses stand in no key's record: nobody needs to hear of them within a second.
  const isFelt = changes.some((change) => change !== "updated");
  const version = isFelt ? await recordChange(deps, tx, tenantId) : undefined;
  const changed = await deps.governed.update(tx, tenantId, values, version);
  for (const change of changes) {
    await deps.governed.addEvent(tx, tenantChanged(changed, change, requestId));
  }
  return true;
}

/** The tenant with the operator's keys. Fails with `not_found`, also for a malformed id. */
export async function readInternalTenant(
  deps: { readonly governed: Pick<GovernedStore, "view"> },
  tenantId: string,
): Promise<InternalTenant> {
  const view = isId("ten", tenantId) ? await deps.governed.view(tenantId) : undefined;
  if (view === undefined) throw new DomainError("not_found");
  return toInternal(view);
}
