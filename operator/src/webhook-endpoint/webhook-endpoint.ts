import type { InternalEndpoint } from "@payflow/contracts/internal-notifier.ts";
import { isForced, isPaused } from "../governing/annotations.ts";
import type { Finding, Progress } from "../kubernetes/objects/conditions.ts";
import { isBeingDeleted } from "../kubernetes/objects/finalizers.ts";
import { wholeSeconds } from "../kubernetes/objects/object-time.ts";
import type { Tenant } from "../tenant/tenant.resource.ts";
import { fingerprintOf, nextRotation, type Signing } from "./signing/signing.ts";
import { objectionTo } from "./tenant-reference.ts";
import type { WebhookEndpoint, WebhookEndpointStatus } from "./webhook-endpoint.resource.ts";

/** What is to be done about an endpoint before anything has been asked. */
export type EndpointPlan =
  | { readonly kind: "leave" | "remove" | "converge" }
  | { readonly kind: "withhold"; readonly progress: Progress };

export function planFor(endpoint: WebhookEndpoint, tenant: Tenant | undefined): EndpointPlan {
  const objection = objectionOf(endpoint, tenant);
  // Who gets a tenant's events is for the tenant's side to say: no pause at the other end keeps them coming.
  if (isPaused(endpoint) && objection?.reason !== "TenantNotAllowed") return { kind: "leave" };
  if (isBeingDeleted(endpoint) && !isPaused(endpoint)) return { kind: "remove" };
  return objection === undefined ? { kind: "converge" } : { kind: "withhold", progress: objection };
}

function objectionOf(endpoint: WebhookEndpoint, tenant: Tenant | undefined): Progress | undefined {
  const { metadata, spec, status } = endpoint;
  const named = { namespace: spec.tenantRef.namespace ?? metadata.namespace, name: spec.tenantRef.name };
  // One that was made before does not wait for a tenant that is being repaired, nor any for a change of it.
  const isMade = status?.endpointId !== undefined || readyOf(tenant)?.status === "True";
  return objectionTo(
    { namespace: metadata.namespace, mode: spec.mode, tenant: named },
    tenant && { mode: tenant.spec.mode, allowedNamespaces: tenant.spec.allowedNamespaces, isMade },
  );
}

/** Whether the endpoint has to be put: a repeat of what the notifier has would change nothing. */
export function hasToBePut(
  endpoint: WebhookEndpoint,
  drifted: readonly string[],
  found: InternalEndpoint | undefined,
): boolean {
  return isForced(endpoint) || drifted.length > 0 || found?.generation !== endpoint.metadata.generation;
}

/** Whether the last pass had left all as wanted, so that what differs now is somebody else's doing. */
export function isReady(endpoint: WebhookEndpoint): boolean {
  const ready = readyOf(endpoint);
  return ready?.status === "True" && ready.observedGeneration === endpoint.metadata.generation;
}

function readyOf(object: Pick<Tenant | WebhookEndpoint, "status"> | undefined) {
  return object?.status?.conditions?.find(({ type }) => type === "Ready");
}

/** What the status says of the secret. */
export function signingStatus(
  endpoint: WebhookEndpoint,
  signing: Signing,
  previousExpiresAt: Date | undefined,
): Pick<WebhookEndpointStatus, "signing"> {
  const next = nextRotation(signing, endpoint.spec.signing.rotation);
  return {
    signing: {
      fingerprint: fingerprintOf(signing.current),
      issuedAt: wholeSeconds(signing.issuedAt),
      ...(next === undefined ? {} : { nextRotation: wholeSeconds(next) }),
      ...(previousExpiresAt === undefined ? {} : { previousExpiresAt: wholeSeconds(previousExpiresAt) }),
    },
  };
}

/** Whether the Secret has what messages are signed with, and whether an older one is used beside it. */
export function signingFindings(
  previousExpiresAt: Date | undefined,
  isRotationAsked: boolean,
): readonly Finding[] {
  const isRotating = previousExpiresAt !== undefined;
  const waiting = isRotationAsked ? " What rotate-now asks is done when that ends." : "";
  return [
    { type: "SecretReady", status: "True", reason: "InUse", message: "Messages are signed with it." },
    {
      type: "KeyRotating",
      status: isRotating ? "True" : "False",
      reason: isRotating ? "Overlap" : "NotRotating",
      message: isRotating ? `Messages are signed with the previous secret too.${waiting}` : "",
    },
  ];
}

/** Until when the previous secret is used, while it is. */
export function overlapEnd({ signing }: InternalEndpoint, now: Date): Date | undefined {
  if (signing.previous_expires_at === null) return undefined;
  const end = new Date(signing.previous_expires_at);
  return end > now ? end : undefined;
}
