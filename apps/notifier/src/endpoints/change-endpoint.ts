import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import type { SecretBox } from "../sending/secret-box.ts";
import { newSigningSecret } from "../sending/signature.ts";
import { requireFitUrl } from "./create-endpoint.ts";
import { defaultOverlapSeconds } from "./endpoint.ts";
import {
  type ChangeEndpointBody,
  type EndpointResponse,
  type RotatedSecretResponse,
  type RotateSecretBody,
  toEndpoint,
} from "./endpoints.contract.ts";
import type { EndpointsStore } from "./endpoints.store.ts";
import { findChangeable } from "./read-endpoints.ts";

export interface ChangeEndpoint {
  readonly endpoints: EndpointsStore;
  readonly secrets: SecretBox;
  readonly allowPrivate: boolean;
  /** Called after a change that may let deliveries go on, or that leaves some to be canceled. */
  readonly onQueueChanged: () => void;
}

/**
 * Changes what is given. Disabling pauses what waits, and events of that time are not kept; enabling lets
 * what waits go on and forgets earlier failures. Fails with `not_found`,
 * `managed_by_kubernetes` or `invalid_request`.
 */
export async function changeEndpoint(
  deps: ChangeEndpoint,
  tenant: TenantContext,
  endpointId: string,
  body: ChangeEndpointBody,
): Promise<EndpointResponse> {
  await findChangeable(deps, tenant, endpointId);
  if (body.url !== undefined) requireFitUrl(body.url, deps.allowPrivate);
  const { rate_per_second: ratePerSecond, ...rest } = body;
  const change = { ...rest, ...(ratePerSecond === undefined ? {} : { ratePerSecond }) };
  const changed = await deps.endpoints.change(tenant, endpointId, change);
  if (changed === null) throw new DomainError("not_found");
  deps.onQueueChanged();
  return toEndpoint(changed);
}

/** Takes the endpoint away: attempts under way end, what waits is canceled. Fails with `not_found`. */
export async function deleteEndpoint(
  deps: ChangeEndpoint,
  tenant: TenantContext,
  endpointId: string,
): Promise<void> {
  await findChangeable(deps, tenant, endpointId);
  const isRemoved = await deps.endpoints.remove(tenant, endpointId);
  if (!isRemoved) throw new DomainError("not_found");
  deps.onQueueChanged();
}

/**
 * Makes a new signing secret. For `overlap_seconds` messages are signed with the secret before, too; a second
 * rotation ends the first overlap. Fails with `not_found`.
 */
export async function rotateSecret(
  deps: ChangeEndpoint,
  tenant: TenantContext,
  endpointId: string,
  body: RotateSecretBody,
): Promise<RotatedSecretResponse> {
  await findChangeable(deps, tenant, endpointId);
  const signingSecret = newSigningSecret();
  const sealed = deps.secrets.seal(endpointId, signingSecret);
  const overlapSeconds = body.overlap_seconds ?? defaultOverlapSeconds;
  const previousExpiresAt = await deps.endpoints.rotate(tenant, endpointId, sealed, overlapSeconds);
  if (previousExpiresAt === null) throw new DomainError("not_found");
  return {
    endpoint_id: endpointId,
    signing_secret: signingSecret,
    previous_expires_at: previousExpiresAt.toISOString(),
  };
}
