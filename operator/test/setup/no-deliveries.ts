import type { InternalEndpoint } from "@payflow/contracts/internal-notifier.ts";

/** What the notifier says of the deliveries of an endpoint that was never sent anything. */
export const noDeliveries: InternalEndpoint["status"] = {
  last_success_at: null,
  last_failure_at: null,
  last_status_code: null,
  consecutive_failures: 0,
  pending: 0,
  dead: 0,
  auto_disabled: null,
};
