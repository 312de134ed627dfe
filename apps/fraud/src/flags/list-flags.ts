import type { TenantContext } from "@payflow/contracts/access.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import { type FlagResponse, type FlagsQuery, toFlagResponse } from "./flags.contract.ts";
import type { FlagsStore } from "./flags.store.ts";

export interface ListFlags {
  readonly flags: Pick<FlagsStore, "list">;
  readonly cursors: Cursors;
}

/** A page of a tenant's flags in the key's mode, newest first. Fails with `invalid_cursor`. */
export async function listFlags(
  deps: ListFlags,
  tenant: TenantContext,
  query: FlagsQuery,
): Promise<Page<FlagResponse>> {
  const owner = `flags/${tenant.tenantId}/${tenant.mode}`;
  const limit = query.limit ?? 20;
  const rows = await deps.flags.list(tenant, {
    decision: query.decision,
    paymentId: query.payment_id,
    before: query.cursor === undefined ? undefined : deps.cursors.decode(owner, query.cursor),
    limit: limit + 1,
  });
  return toPage(rows, limit, toFlagResponse, (last) => deps.cursors.encode(owner, last.eventId));
}
