import { newId } from "@payflow/contracts/ids.ts";
import type { DefaultEndpointAnswer } from "@payflow/contracts/internal-notifier.ts";
import { webhookEvents } from "@payflow/contracts/internal-notifier.ts";
import { newSigningSecret } from "../sending/signature.ts";
import { type CreateEndpoint, requireFitUrl } from "./create-endpoint.ts";
import type { Owner } from "./endpoints.store.ts";

export interface PutDefaultEndpoint extends CreateEndpoint {
  readonly onQueueChanged: () => void;
}

/**
 * Sets where a tenant's events of one mode go by default, all of them, and enables it; the secret is shown
 * only when the endpoint is first made. Every event after the return is delivered. Fails with
 * `invalid_request` or `limit_reached`.
 */
export async function putDefaultEndpoint(
  deps: PutDefaultEndpoint,
  owner: Owner,
  url: string,
): Promise<DefaultEndpointAnswer> {
  requireFitUrl(url, deps.allowPrivate);
  const newEndpointId = newId("whe");
  const signingSecret = newSigningSecret();
  const { id, isNew } = await deps.endpoints.putDefault(owner, url, webhookEvents, () => ({
    id: newEndpointId,
    tenantId: owner.tenantId,
    mode: owner.mode,
    url,
    events: webhookEvents,
    description: null,
    enabled: true,
    ratePerSecond: null,
    isDefault: true,
    secret: deps.secrets.seal(newEndpointId, signingSecret),
  }));
  deps.onQueueChanged();
  return { endpoint_id: id, url, ...(isNew ? { signing_secret: signingSecret } : {}) };
}
