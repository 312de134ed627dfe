import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { type QueueTestEvent, queueTestEvent } from "../messages/queue-test-event.ts";
import type { TestDeliveryResponse } from "./endpoints.contract.ts";
import type { EndpointsStore } from "./endpoints.store.ts";
import { findEndpoint } from "./read-endpoints.ts";

export interface SendTestEvent extends QueueTestEvent {
  readonly endpoints: EndpointsStore;
}

/**
 * Queues a signed `webhook.test` event for the endpoint. Fails with `not_found`, or `invalid_state` when
 * disabled.
 */
export async function sendTestEvent(
  deps: SendTestEvent,
  tenant: TenantContext,
  endpointId: string,
): Promise<TestDeliveryResponse> {
  const endpoint = await findEndpoint(deps, tenant, endpointId);
  if (!endpoint.enabled) {
    throw new DomainError("invalid_state", "The endpoint is disabled: enable it, then test it.");
  }
  const { deliveryId, eventId } = await queueTestEvent(deps, tenant, endpointId);
  return { delivery_id: deliveryId, event_id: eventId };
}
