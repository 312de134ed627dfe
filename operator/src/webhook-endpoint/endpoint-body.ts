import type { PutEndpointBody } from "@payflow/contracts/internal-notifier.ts";
import { durationSeconds } from "../resources/duration.ts";
import type { WebhookEndpointSpec } from "./webhook-endpoint.resource.ts";

/** What the notifier is told of an endpoint: all that its resource says, for a tenant, with a secret. */
export function endpointBody(spec: WebhookEndpointSpec, tenantId: string, secret: string): PutEndpointBody {
  const { mode, url, events, enabled, signing, delivery } = spec;
  return {
    tenant_id: tenantId,
    mode,
    url,
    events,
    enabled,
    signing: { secret, overlap_seconds: durationSeconds(signing.rotation.overlap) },
    delivery: {
      timeout_seconds: delivery.timeoutSeconds,
      max_attempts: delivery.maxAttempts,
      rate_per_second: delivery.ratePerSecond ?? null,
    },
  };
}
