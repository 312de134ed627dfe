import type { Progress } from "../kubernetes/objects/conditions.ts";

/** The tenant that an endpoint names, as far as it is known. */
export interface ReferredTenant {
  readonly mode: "test" | "live" | "both";
  /** Namespaces that may refer to it besides its own; `*` stands for all. */
  readonly allowedNamespaces: readonly string[];
  /** Whether there is somebody to send events of. */
  readonly isMade: boolean;
}

export interface Reference {
  /** Where the endpoint is. */
  readonly namespace: string;
  readonly mode: "test" | "live";
  /** What it names. */
  readonly tenant: { readonly namespace: string; readonly name: string };
}

/**
 * Why the endpoint may not be of this tenant's, or not yet; undefined where nothing is in its way. Somebody
 * in another namespace is not told whether a tenant is missing or does not allow it.
 */
export function objectionTo(reference: Reference, tenant: ReferredTenant | undefined): Progress | undefined {
  const { namespace, mode, tenant: named } = reference;
  const isOwn = namespace === named.namespace;
  const allowed = tenant?.allowedNamespaces ?? [];
  if (!isOwn && !allowed.includes(namespace) && !allowed.includes("*")) {
    const message = `No Tenant ${named.name} in namespace ${named.namespace} allows namespace ${namespace}.`;
    return { state: "stalled", reason: "TenantNotAllowed", message };
  }
  if (tenant === undefined) {
    const message = `There is no Tenant ${named.name} in this namespace yet.`;
    return { state: "reconciling", reason: "TenantNotFound", message };
  }
  if (tenant.mode !== "both" && tenant.mode !== mode) {
    const message = `The tenant has ${tenant.mode} mode alone, and the endpoint is for ${mode} mode.`;
    return { state: "stalled", reason: "ModeNotAvailable", message };
  }
  if (!tenant.isMade) {
    return { state: "reconciling", reason: "TenantNotReady", message: "The Tenant is not ready yet." };
  }
  return undefined;
}
