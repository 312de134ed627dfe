import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import type { DeliveryWithAttemptsResponse } from "./deliveries.contract.ts";
import { type ReadDeliveries, readDelivery } from "./read-deliveries.ts";

export interface ResendDelivery extends Pick<ReadDeliveries, "deliveries"> {
  readonly onQueueChanged: () => void;
}

/**
 * Sends a delivery again at once, with the same `webhook-id` and a new schedule. Fails with `not_found`, or
 * with `invalid_state` while it is being sent and where its endpoint is disabled or deleted.
 */
export async function resendDelivery(
  deps: ResendDelivery,
  tenant: TenantContext,
  deliveryId: string,
): Promise<DeliveryWithAttemptsResponse> {
  const outcome = isId("dlv", deliveryId) ? await deps.deliveries.resend(tenant, deliveryId) : "not_found";
  switch (outcome) {
    case "not_found":
      throw new DomainError("not_found");
    case "sending":
      throw new DomainError("invalid_state", "The delivery is being sent at this moment.");
    case "endpoint_disabled":
      throw new DomainError(
        "invalid_state",
        "The delivery's endpoint is disabled: enable it, then send again.",
      );
    case "endpoint_deleted":
      throw new DomainError("invalid_state", "The delivery's endpoint was deleted.");
    case "queued":
      deps.onQueueChanged();
      return readDelivery(deps, tenant, deliveryId);
  }
}
