import type { KubernetesObject, ResourceKind } from "../objects/object.ts";
import { microTime } from "../objects/object-time.ts";

export const leases: ResourceKind = {
  group: "coordination.k8s.io",
  version: "v1",
  plural: "leases",
  kind: "Lease",
  isNamespaced: true,
};

export interface Lease extends KubernetesObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/**
 * What a leader is told apart by: of two tokens of one lease, that of the later creation is newer, and then
 * that of more transitions.
 */
export interface FencingToken {
  readonly lease: string;
  readonly createdMs: number;
  readonly transitions: number;
}

/** `<lease>:<creation in ms since 1970>:<transitions>`, as services compare it. */
export function formatFencingToken(token: FencingToken): string {
  return `${token.lease}:${token.createdMs}:${token.transitions}`;
}

export function fencingTokenOf(lease: Lease): FencingToken {
  return {
    lease: lease.metadata.name,
    createdMs: Date.parse(lease.metadata.creationTimestamp ?? ""),
    transitions: lease.spec?.leaseTransitions ?? 0,
  };
}

/** When a candidate first saw a record as it is, by its own clock: nobody's wall clock is relied on. */
export interface Sighting {
  readonly record: string;
  readonly at: number;
}

/** The sighting of a lease; the earlier one while nothing in it has changed. */
export function sight(lease: Lease, known: Sighting | undefined, now: number): Sighting {
  const { holderIdentity, renewTime, leaseTransitions } = lease.spec ?? {};
  const record = JSON.stringify([lease.metadata.uid, holderIdentity, renewTime, leaseTransitions]);
  return known?.record === record ? known : { record, at: now };
}

/** Whether nobody holds the lease: given up, or seen without a change for as long as it is given. */
export function isFree(lease: Lease, seen: Sighting, now: number): boolean {
  return !lease.spec?.holderIdentity || now >= freeAt(lease, seen);
}

/** When the lease is free unless it is renewed, by the clock that it was seen by. */
export function freeAt({ spec }: Lease, seen: Sighting): number {
  return seen.at + (spec?.leaseDurationSeconds ?? 0) * 1_000;
}

/** The lease in a new holder's hands. Each term has a number of its own, a holder's second one too. */
export function takenOver(lease: Lease, identity: string, durationMs: number, date: Date): Lease {
  return {
    ...lease,
    spec: {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(durationMs / 1_000),
      acquireTime: microTime(date),
      renewTime: microTime(date),
      leaseTransitions: (lease.spec?.leaseTransitions ?? 0) + 1,
    },
  };
}

export function renewed(lease: Lease, date: Date): Lease {
  return { ...lease, spec: { ...lease.spec, renewTime: microTime(date) } };
}

/** Given up, so that another candidate need not wait for its end. */
export function released(lease: Lease, date: Date): Lease {
  const { leaseTransitions = 0 } = lease.spec ?? {};
  return {
    ...lease,
    // The API server wants a duration above 0.
    spec: { leaseTransitions, leaseDurationSeconds: 1, holderIdentity: "", renewTime: microTime(date) },
  };
}
