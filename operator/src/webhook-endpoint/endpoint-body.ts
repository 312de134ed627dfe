import type { PutEndpointBody } from "@payflow/contracts/internal-notifier.ts";
import type { WebhookEndpointSpec } from "./webhook-endpoint.resource.ts";

/** What the notifier is told of an endpoint: all that its resource says, for a tenant, with a secret. */
export function endpointBody(
  spec: WebhookEndpointSpec,
  tenantId: string,
  signing: PutEndpointBody["signing"],
): PutEndpointBody {
  const { mode, url, events, enabled, delivery } = spec;
  return {
    tenant_id: tenantId,
    mode,
    url,
    events,
    enabled,
    signing,
    delivery: {
      timeout_seconds: delivery.timeoutSeconds,
      max_attempts: delivery.maxAttempts,
      rate_per_second: delivery.ratePerSecond ?? null,
    },
  };
}
