import { DomainError } from "@payflow/contracts/errors.ts";
import type { TenantRow } from "../schema.ts";

/**
 * Throws `managed_by_kubernetes` for a tenant or key that a resource governs, which REST only reads, and
 * `invalid_state` for a tenant that was ended.
 */
export function requireByRest(row: Pick<TenantRow, "managedBy"> & Partial<Pick<TenantRow, "ended">>): void {
  if (row.managedBy !== null) throw new DomainError("managed_by_kubernetes");
  if (row.ended !== null && row.ended !== undefined) {
    throw new DomainError("invalid_state", `The tenant is ${row.ended}.`);
  }
}
