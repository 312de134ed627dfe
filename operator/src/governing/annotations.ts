import type { KubernetesObject } from "../kubernetes/objects/object.ts";

const paused = "payflow.dev/paused";
const forceSync = "payflow.dev/force-sync";
const rotateNow = "payflow.dev/rotate-now";
/** What a status can remember of an annotation's value. */
const rememberedLength = 256;

/** Whether the operator is to leave the object and all that belongs to it alone, deletion included. */
export function isPaused(object: KubernetesObject): boolean {
  return object.metadata.annotations?.[paused] === "true";
}

/** The value of force-sync, as a status remembers it; each new one asks for everything to be written anew. */
export function forceSyncOf(object: KubernetesObject): string | undefined {
  return object.metadata.annotations?.[forceSync]?.slice(0, rememberedLength);
}

/** Whether force-sync has a value that was not followed yet. */
export function isForced(
  object: KubernetesObject & { readonly status?: { readonly lastHandledForceSync?: string } },
): boolean {
  const asked = forceSyncOf(object);
  return asked !== undefined && asked !== object.status?.lastHandledForceSync;
}

/** The value of rotate-now, as a status remembers it; each new one asks for a new secret. */
export function rotateNowOf(object: KubernetesObject): string | undefined {
  return object.metadata.annotations?.[rotateNow]?.slice(0, rememberedLength);
}
