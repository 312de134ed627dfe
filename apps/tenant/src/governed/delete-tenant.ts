import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import type { Governor } from "@payflow/contracts/internal-operator.ts";
import { TenantPaymentsAnswer, tenantPaymentsPath } from "@payflow/contracts/internal-payment.ts";
import type { DeletionPolicy, InternalTenant } from "@payflow/contracts/internal-tenant.ts";
import type { InternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { recordChange } from "../changes/record-change.ts";
import type { TenantRow } from "../schema.ts";
import { tenantChanged } from "../tenants/tenant-event.ts";
import type { Transaction } from "../transaction.ts";
import { requireOwnId } from "./governed-tenant.ts";
import { type GovernByOperator, readInternalTenant } from "./put-tenant.ts";

export interface DeleteTenant extends GovernByOperator {
  readonly payment: InternalClient;
}

/** Keys are refused everywhere within a second, and what they began is known to payment within another. */
const closingMs = 2_000;

/**
 * Ends what a Tenant resource governed, by its deletion policy. A purge takes two calls: the first closes
 * the tenant, one after `Retry-After` erases it, if no live payment was made meanwhile. Repeating it changes
 * nothing. Fails as `putTenant` does, with `tenant_has_payments`, `not_found`, and `unavailable` while
 * payment cannot be asked.
 */
export async function deleteTenant(
  deps: DeleteTenant,
  governor: Governor,
  tenantId: string,
  asked: DeletionPolicy | undefined,
  requestId: string,
): Promise<InternalTenant> {
  if (!isId("ten", tenantId)) throw new DomainError("not_found");
  requireOwnId(governor, tenantId);
  const known = await deps.governed.view(tenantId);
  const policy = asked ?? known?.row.deletionPolicy ?? "retain";
  if (policy === "purge" && known !== undefined && known.row.ended !== "purged") {
    await refuseWithPayments(deps, tenantId);
  }
  await deps.transact(async (tx) => {
    const claim = await deps.governed.hold(tx, governor, tenantId);
    const row = claim.before === null ? undefined : await deps.governed.lock(tx, tenantId);
    if (claim.isReleased) return;
    if (row !== undefined) await end(deps, tx, row, policy, requestId);
    // Noted even where there is none, so that a put that is still on its way makes nobody's tenant.
    else await deps.governed.release(tx, tenantId);
  });
  deps.announce();
  return readInternalTenant(deps, tenantId);
}

async function end(
  deps: DeleteTenant,
  tx: Transaction,
  row: TenantRow,
  policy: DeletionPolicy,
  requestId: string,
): Promise<void> {
  const { tenantId } = row;
  if (policy === "purge" && row.ended === "closing") {
    if (row.endedAt === null || !(await deps.governed.isPast(tx, row.endedAt, closingMs))) return;
    await deps.governed.erase(tx, tenantId);
  } else if (policy !== "retain" && row.ended === null) {
    const version = await recordChange(deps, tx, tenantId);
    const ended = await deps.governed.end(tx, tenantId, policy === "purge" ? "closing" : "archived", version);
    await deps.governed.addEvent(tx, tenantChanged(ended, "suspended", requestId));
    if (policy === "purge") return;
  } else if (row.ended === "closing") {
    // A purge that was refused after all: what was closed does not open again.
    await deps.governed.end(tx, tenantId, "archived", await recordChange(deps, tx, tenantId));
  }
  await deps.governed.handOver(tx, tenantId);
  await deps.governed.release(tx, tenantId);
}

async function refuseWithPayments(deps: DeleteTenant, tenantId: string): Promise<void> {
  const { exists } = await deps.payment.call("GET", tenantPaymentsPath(tenantId, "live"), undefined, {
    answer: TenantPaymentsAnswer,
  });
  if (exists) throw new DomainError("tenant_has_payments");
}
