import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import { type EndpointResponse, type ListEndpointsQuery, toEndpoint } from "./endpoints.contract.ts";
import type { EndpointsStore, EndpointView, Owner } from "./endpoints.store.ts";

export interface ReadEndpoints {
  readonly endpoints: EndpointsStore;
  readonly cursors: Cursors;
}

/** The endpoint, or `not_found`: for another tenant's or mode's and a malformed id too. */
export async function findEndpoint(
  deps: Pick<ReadEndpoints, "endpoints">,
  owner: Owner,
  endpointId: string,
): Promise<EndpointView> {
  const found = isId("whe", endpointId) ? await deps.endpoints.find(owner, endpointId) : null;
  if (found === null) throw new DomainError("not_found");
  return found;
}

/** The endpoint if REST may change it. Fails with `not_found` or `managed_by_kubernetes`. */
export async function findChangeable(
  deps: Pick<ReadEndpoints, "endpoints">,
  owner: Owner,
  endpointId: string,
): Promise<EndpointView> {
  const found = await findEndpoint(deps, owner, endpointId);
  // A resource's endpoint is its own from the beginning to the end: this does not change until the write.
  if (found.managedBy !== null) throw new DomainError("managed_by_kubernetes");
  return found;
}

/** One endpoint of the tenant and mode. Fails with `not_found`. */
export async function readEndpoint(
  deps: ReadEndpoints,
  tenant: TenantContext,
  endpointId: string,
): Promise<EndpointResponse> {
  return toEndpoint(await findEndpoint(deps, tenant, endpointId));
}

/** A page of the tenant's endpoints, newest first. Fails with `invalid_cursor`. */
export async function listEndpoints(
  deps: ReadEndpoints,
  tenant: TenantContext,
  query: ListEndpointsQuery,
): Promise<Page<EndpointResponse>> {
  const limit = query.limit ?? 20;
  const list = `webhook-endpoints/${tenant.tenantId}/${tenant.mode}`;
  const before = query.cursor === undefined ? null : deps.cursors.decode(list, query.cursor);
  const rows = await deps.endpoints.list(tenant, limit + 1, before);
  return toPage(rows, limit, toEndpoint, (last) => deps.cursors.encode(list, last.id));
}
