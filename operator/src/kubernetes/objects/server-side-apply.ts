import type { KubernetesClient } from "../client/client.ts";
import { apiVersionOf, type FieldSet, type KubernetesObject, type ResourceKind } from "./object.ts";

/** The fields we want, and no others. With a `resourceVersion`, another version is refused with 409. */
export interface Desired {
  readonly metadata: KubernetesObject["metadata"];
  readonly [field: string]: unknown;
}

export interface Applier {
  /**
   * Makes the object have these fields and no others of ours, taking them from other managers; returns the
   * object as it is afterwards. Where `live` has them all already, nothing is sent.
   */
  apply<T extends KubernetesObject>(kind: ResourceKind, desired: Desired, live?: T): Promise<T>;
  /** The same for the status, which has a version and managers of its own. */
  applyStatus<T extends KubernetesObject>(kind: ResourceKind, desired: Desired, live?: T): Promise<T>;
}

/** Server-side apply under one field manager's name. */
export function createApplier(client: KubernetesClient, manager: string): Applier {
  function send<T extends KubernetesObject>(
    kind: ResourceKind,
    desired: Desired,
    live: T | undefined,
    subresource: string | undefined,
  ): Promise<T> {
    if (live !== undefined && isApplied(desired, live, manager, subresource)) return Promise.resolve(live);
    return client.patch<T>(kind, desired.metadata, {
      contentType: "application/apply-patch+yaml",
      body: { apiVersion: apiVersionOf(kind), kind: kind.kind, ...desired },
      query: { fieldManager: manager, force: "true" },
      ...(subresource === undefined ? {} : { subresource }),
    });
  }
  return {
    apply: (kind, desired, live) => send(kind, desired, live, undefined),
    applyStatus: (kind, desired, live) => send(kind, desired, live, "status"),
  };
}

/** Only our own manager is ever asked for; the lists of the others are most of a small object. */
export function keepManager<T extends KubernetesObject>(object: T, manager: string): T {
  const managedFields = object.metadata.managedFields?.filter((one) => one.manager === manager) ?? [];
  return { ...object, metadata: { ...object.metadata, managedFields } };
}

/** Whether applying would change nothing: all is there as wanted, and we own nothing that is not wanted. */
export function isApplied(
  desired: Desired,
  live: KubernetesObject,
  manager: string,
  subresource?: string,
): boolean {
  // Identity is not applied, and the version is a condition.
  const { name: _name, namespace: _namespace, resourceVersion: _version, ...metadata } = desired.metadata;
  const wanted: Record<string, unknown> = { ...desired, metadata };
  const owned = live.metadata.managedFields?.filter(
    (one) =>
      one.manager === manager && one.operation === "Apply" && (one.subresource ?? "") === (subresource ?? ""),
  );
  if (owned === undefined || owned.length === 0) return false;
  return contains(live, wanted) && owned.every((one) => covers(wanted, one.fieldsV1 ?? {}));
}

/** Lists that the API server merges by entry instead of replacing them. */
const mergedLists = new Set(["finalizers", "ownerReferences"]);

function contains(live: unknown, wanted: unknown, field = ""): boolean {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(live)) return false;
    if (mergedLists.has(field)) return wanted.every((entry) => live.some((one) => contains(one, entry)));
    return live.length === wanted.length && wanted.every((entry, index) => contains(live[index], entry));
  }
  if (!isRecord(wanted)) return live === wanted;
  // The API server leaves empty maps out.
  if (!isRecord(live)) return live === undefined && Object.keys(wanted).length === 0;
  return Object.entries(wanted).every(
    ([name, value]) => value === undefined || contains(live[name], value, name),
  );
}

/** Whether everything in the set of fields is wanted too; entries of lists are compared by `contains`. */
function covers(wanted: unknown, owned: FieldSet): boolean {
  return Object.entries(owned).every(([field, below]) => {
    if (!field.startsWith("f:")) return true;
    const value = isRecord(wanted) ? wanted[field.slice(2)] : undefined;
    if (value === undefined) return false;
    return Array.isArray(value) || covers(value, below);
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
