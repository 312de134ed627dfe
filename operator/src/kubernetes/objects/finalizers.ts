import { hasStatus } from "../client/api-error.ts";
import type { KubernetesClient } from "../client/client.ts";
import type { KubernetesObject, ResourceKind } from "./object.ts";

function hasFinalizer(object: KubernetesObject, finalizer: string): boolean {
  return object.metadata.finalizers?.includes(finalizer) ?? false;
}

/** Whether the object was deleted and waits for its finalizers. */
export function isBeingDeleted(object: KubernetesObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

/** Keeps the object from going before we are done with it; 409 where it was changed since it was read. */
export async function addFinalizer<T extends KubernetesObject>(
  client: KubernetesClient,
  kind: ResourceKind,
  object: T,
  finalizer: string,
): Promise<T> {
  if (hasFinalizer(object, finalizer)) return object;
  return setFinalizers(client, kind, object, [...(object.metadata.finalizers ?? []), finalizer]);
}

/** Lets the object go; that it is gone already is no error. 409 where it was changed since it was read. */
export async function removeFinalizer(
  client: KubernetesClient,
  kind: ResourceKind,
  object: KubernetesObject,
  finalizer: string,
): Promise<void> {
  if (!hasFinalizer(object, finalizer)) return;
  const others = object.metadata.finalizers?.filter((one) => one !== finalizer) ?? [];
  try {
    await setFinalizers(client, kind, object, others);
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
}

/** A merge patch replaces the whole list, so it names the version whose list it was made from. */
function setFinalizers<T extends KubernetesObject>(
  client: KubernetesClient,
  kind: ResourceKind,
  object: T,
  finalizers: readonly string[],
): Promise<T> {
  const { resourceVersion, uid } = object.metadata;
  return client.patch<T>(kind, object.metadata, {
    contentType: "application/merge-patch+json",
    body: { metadata: { uid, resourceVersion, finalizers } },
  });
}
