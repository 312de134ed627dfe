import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import type { TenantRow } from "../schema.ts";
import type { TenantStore } from "./tenants.store.ts";

export interface ReadTenant {
  readonly tenants: Pick<TenantStore, "find">;
}

/** One tenant. Fails with `not_found`, also for a malformed id. */
export async function readTenant(deps: ReadTenant, tenantId: string): Promise<TenantRow> {
  const row = isId("ten", tenantId) ? await deps.tenants.find(tenantId) : undefined;
  if (row === undefined) throw new DomainError("not_found");
  return row;
}
