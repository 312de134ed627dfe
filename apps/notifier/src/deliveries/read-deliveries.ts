import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import {
  type DeliveryResponse,
  type DeliveryWithAttemptsResponse,
  type ListDeliveriesQuery,
  toDelivery,
  toDeliveryWithAttempts,
} from "./deliveries.contract.ts";
import type { DeliveriesStore } from "./deliveries.store.ts";

export interface ReadDeliveries {
  readonly deliveries: DeliveriesStore;
  readonly cursors: Cursors;
}

/** A page of the tenant's deliveries, newest first. Fails with `invalid_cursor`. */
export async function listDeliveries(
  deps: ReadDeliveries,
  tenant: TenantContext,
  query: ListDeliveriesQuery,
): Promise<Page<DeliveryResponse>> {
  const limit = query.limit ?? 20;
  const filter = {
    ...(query.endpoint_id === undefined ? {} : { endpointId: query.endpoint_id }),
    ...(query.event_id === undefined ? {} : { eventId: query.event_id }),
    ...(query.status === undefined ? {} : { status: query.status }),
  };
  const list = `webhook-deliveries/${tenant.tenantId}/${tenant.mode}`;
  const before = query.cursor === undefined ? null : deps.cursors.decode(list, query.cursor);
  const rows = await deps.deliveries.list(tenant, filter, limit + 1, before);
  return toPage(rows, limit, toDelivery, (last) => deps.cursors.encode(list, last.id));
}

/** One delivery with its attempts. Fails with `not_found`. */
export async function readDelivery(
  deps: Pick<ReadDeliveries, "deliveries">,
  tenant: TenantContext,
  deliveryId: string,
): Promise<DeliveryWithAttemptsResponse> {
  const found = isId("dlv", deliveryId) ? await deps.deliveries.find(tenant, deliveryId) : null;
  if (found === null) throw new DomainError("not_found");
  return toDeliveryWithAttempts(found, await deps.deliveries.attempts(deliveryId));
}
