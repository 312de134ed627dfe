import type { KubernetesObject, ResourceKind } from "../kubernetes/objects/object.ts";

export interface Secret extends KubernetesObject {
  /** Values in base64. */
  readonly data?: Readonly<Record<string, string>>;
  readonly type?: string;
  /** Once set, neither this nor the values can be changed any more. */
  readonly immutable?: boolean;
}

export const secretKind: ResourceKind = {
  group: "",
  version: "v1",
  plural: "secrets",
  kind: "Secret",
  isNamespaced: true,
};

/** The label of every Secret that we made, by which they are watched. */
export const managedByLabel = { "app.kubernetes.io/managed-by": "payflow-operator" } as const;

export const managedBy = Object.entries(managedByLabel)
  .map(([name, value]) => `${name}=${value}`)
  .join(",");

/** The uid of the resource that a Secret was made for: one without it is never touched. */
export const ownerLabel = "payflow.dev/owner-uid";
const ownerAnnotation = "payflow.dev/owner";

/** The annotation that says for people whose a Secret is. */
export function ownerMark(kind: string, name: string): Record<string, string> {
  return { [ownerAnnotation]: `${kind}/${name}` };
}

const ownEntries = /^(tenant-id|((test-)?api-key|signing-secret)(-next|-previous)?)$/;
/** Longer than anything that we write. */
const keptLength = 1_024;

/**
 * What of a Secret is worth keeping in memory: our own entries, as long as ours are. Anybody may give a
 * Secret of any size the label by which ours are watched.
 */
export function withOwnEntries(secret: Secret): Secret {
  const own = Object.entries(secret.data ?? {}).filter(([name]) => ownEntries.test(name));
  return {
    ...secret,
    data: Object.fromEntries(own.map(([name, text]) => [name, text.slice(0, keptLength)])),
  };
}

/** No leader's clock is ahead of ours by more. */
const maxAheadMs = 24 * 3_600_000;

/** Whether a Secret's note of a time can be ours: from a time far ahead nothing would ever be due. */
export function isCredible(noted: Date, now: Date): boolean {
  return noted.getTime() <= now.getTime() + maxAheadMs;
}
