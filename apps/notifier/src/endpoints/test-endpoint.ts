import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { type QueueTest, queueTest } from "../messages/queue-test.ts";
import type { TestDeliveryResponse } from "./endpoints.contract.ts";
import type { EndpointsStore } from "./endpoints.store.ts";
import { findEndpoint } from "./read-endpoints.ts";

export interface TestEndpoint extends QueueTest {
  readonly endpoints: EndpointsStore;
}

/**
 * Queues a signed `webhook.test` event for the endpoint. Fails with `not_found`, or `invalid_state` when
 * disabled.
 */
export async function testEndpoint(
  deps: TestEndpoint,
  tenant: TenantContext,
  endpointId: string,
): Promise<TestDeliveryResponse> {
  const endpoint = await findEndpoint(deps, tenant, endpointId);
  if (!endpoint.enabled) {
    throw new DomainError("invalid_state", "The endpoint is disabled: enable it, then test it.");
  }
  const { deliveryId, eventId } = await queueTest(deps, tenant, endpointId);
  return { delivery_id: deliveryId, event_id: eventId };
}
