import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { newId } from "@payflow/contracts/ids.ts";
import type { SecretBox } from "../sending/secret-box.ts";
import { newSigningSecret } from "../sending/signature.ts";
import { urlErrors } from "./endpoint.ts";
import { type CreateEndpointBody, type NewEndpointResponse, toEndpoint } from "./endpoints.contract.ts";
import type { EndpointsStore } from "./endpoints.store.ts";

export interface CreateEndpoint {
  readonly endpoints: EndpointsStore;
  readonly secrets: SecretBox;
  /** Admits http and private addresses: for one machine and tests. */
  readonly allowPrivate: boolean;
}

/** Fails with `invalid_request` when a URL is not fit for webhooks. */
export function requireFitUrl(url: string, allowPrivate: boolean): void {
  const errors = urlErrors(url, allowPrivate);
  if (errors.length > 0)
    throw new DomainError("invalid_request", "The URL is not fit for webhooks.", { errors });
}

/**
 * Adds an endpoint and shows its signing secret, this once. Fails with `invalid_request` or `limit_reached`.
 */
export async function createEndpoint(
  deps: CreateEndpoint,
  tenant: TenantContext,
  body: CreateEndpointBody,
): Promise<NewEndpointResponse> {
  requireFitUrl(body.url, deps.allowPrivate);
  const id = newId("whe");
  const signingSecret = newSigningSecret();
  const made = await deps.endpoints.insert({
    id,
    tenantId: tenant.tenantId,
    mode: tenant.mode,
    url: body.url,
    events: body.events,
    description: body.description ?? null,
    enabled: body.enabled ?? true,
    ratePerSecond: body.rate_per_second ?? null,
    isDefault: false,
    secret: deps.secrets.seal(id, signingSecret),
  });
  if (made === null) throw new Error(`endpoint ${id} is not there after its insertion`);
  return { ...toEndpoint(made), signing_secret: signingSecret };
}
