import type { InternalEndpoint } from "@payflow/contracts/internal-notifier.ts";
import { differingFields } from "../governing/drift.ts";
import { fingerprintOf } from "./signing/signing.ts";
import type { WebhookEndpointSpec } from "./webhook-endpoint.resource.ts";

/** The fields of the spec that the notifier's endpoint does not show as they are wanted; none mostly. */
export function driftedFields(
  { url, events, enabled, delivery }: WebhookEndpointSpec,
  secret: string,
  found: InternalEndpoint,
): readonly string[] {
  const wanted = {
    ...{ url, events, enabled, signing: fingerprintOf(secret) },
    delivery: { ...delivery, ratePerSecond: delivery.ratePerSecond ?? null },
  };
  const shown = {
    ...{ url: found.url, events: found.events, enabled: found.enabled },
    signing: found.signing.fingerprint,
    delivery: {
      timeoutSeconds: found.delivery.timeout_seconds,
      maxAttempts: found.delivery.max_attempts,
      ratePerSecond: found.delivery.rate_per_second,
    },
  };
  return differingFields(wanted, shown);
}
