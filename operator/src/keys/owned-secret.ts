import type { Leading } from "../governing/leading.ts";
import { fieldManager } from "../governing/leading.ts";
import { Refused } from "../governing/refusals.ts";
import type { Watched } from "../kubernetes/cache/watched.ts";
import { ApiError, hasStatus } from "../kubernetes/client/api-error.ts";
import { apiVersionOf, keyOf, type ObjectMeta, type ResourceKind } from "../kubernetes/objects/object.ts";
import { managedByLabel, ownerLabel, ownerMark, type Secret, secretKind } from "./secret.ts";

/** The resource that a Secret is kept for. */
export interface SecretOwner {
  readonly kind: ResourceKind;
  readonly metadata: Required<Pick<ObjectMeta, "name" | "namespace" | "uid">>;
}

export interface SecretAccess {
  readonly leading: Leading;
  readonly watched: { readonly secrets: Watched<Secret> };
}

/** A Secret of ours as it was read, or the place for one. Writes are refused where it has changed since. */
export interface OwnedSecret {
  readonly name: string;
  readonly owner: SecretOwner;
  readonly object: Secret | undefined;
  /** Decoded. */
  readonly values: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What is to be set, and with null taken away; all else stays. */
export interface SecretChange {
  readonly values?: Readonly<Record<string, string | null>>;
  readonly annotations?: Readonly<Record<string, string | null>>;
}

/** The Secret as the watch has told of it; undefined where that says nothing. Throws as `readSecret`. */
export function cachedSecret(
  { watched }: SecretAccess,
  owner: SecretOwner,
  name: string,
): OwnedSecret | undefined {
  const found = watched.secrets.get(keyOf({ namespace: owner.metadata.namespace, name }));
  return found === undefined ? undefined : ownedSecret(owner, name, found);
}

/** The Secret as it is now. Throws `Refused` where one of that name is not ours: it is never touched. */
export async function readSecret(
  { leading }: SecretAccess,
  owner: SecretOwner,
  name: string,
): Promise<OwnedSecret> {
  const { namespace } = owner.metadata;
  return ownedSecret(owner, name, await leading.client.get<Secret>(secretKind, { namespace, name }));
}

/** The place for a Secret that there is none of yet, as far as anybody knows; making it tells. */
export function noSecret(owner: SecretOwner, name: string): OwnedSecret {
  return { owner, name, object: undefined, values: {}, annotations: {} };
}

/** Whether the Secret says all that it has to say of itself. */
export function isMarked({ object, owner }: OwnedSecret): boolean {
  const { labels = {}, annotations = {} } = object?.metadata ?? {};
  const marks = [
    ...Object.entries(managedByLabel).map(([name, value]) => labels[name] === value),
    ...Object.entries(markOf(owner)).map(([name, value]) => annotations[name] === value),
  ];
  return marks.every((isThere) => isThere);
}

/**
 * Makes or changes the Secret, as one write. Throws a conflict where it is not as it was read, and `Refused`
 * where somebody has made it immutable, which the API server never takes back.
 */
export async function writeSecret(
  { leading, watched }: SecretAccess,
  known: OwnedSecret,
  change: SecretChange,
): Promise<OwnedSecret> {
  const { owner, name, object } = known;
  if (object?.immutable === true && !hasValues(known, change)) {
    const message =
      `The Secret ${name} was set to be immutable, so that nothing in it can be replaced any more. ` +
      "Delete it: a new one is made with new values.";
    throw new Refused("SecretImmutable", message);
  }
  const key = keyOf({ namespace: owner.metadata.namespace, name });
  const written = await watched.secrets.writing(key, () =>
    object === undefined ? create(leading, known, change) : patch(leading, owner, object, change),
  );
  return ownedSecret(owner, name, written);
}

function hasValues({ values }: OwnedSecret, change: SecretChange): boolean {
  return Object.entries(change.values ?? {}).every(([name, text]) => (values[name] ?? null) === text);
}

/** Lets the Secret stay, as nobody's. */
export async function releaseSecret(
  { leading }: SecretAccess,
  { object, owner }: OwnedSecret,
): Promise<void> {
  if (object === undefined) return;
  await patchIfThere(leading, object, {
    labels: withoutValues(labelsOf(owner)),
    annotations: withoutValues(markOf(owner)),
  });
}

/**
 * Lets the Secret go with its owner, which is about to: the cluster's garbage collector takes it. It is told
 * only now, since under `--cascade=foreground` it would take the Secret first, whatever is to become of it.
 */
export async function abandonSecret(
  { leading }: SecretAccess,
  { object, owner }: OwnedSecret,
): Promise<void> {
  if (object === undefined) return;
  const { name, uid } = owner.metadata;
  const others = object.metadata.ownerReferences ?? [];
  if (others.some((one) => one.uid === uid)) return;
  const reference = { apiVersion: apiVersionOf(owner.kind), kind: owner.kind.kind, name, uid };
  await patchIfThere(leading, object, { ownerReferences: [...others, reference] });
}

const mergePatch = {
  contentType: "application/merge-patch+json",
  query: { fieldManager },
} as const;

async function patchIfThere(leading: Leading, object: Secret, metadata: object): Promise<void> {
  const body = { metadata: { ...identityOf(object.metadata), ...metadata } };
  try {
    await leading.client.patch<Secret>(secretKind, object.metadata, { ...mergePatch, body });
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
}

function patch(
  leading: Leading,
  owner: SecretOwner,
  { metadata }: Secret,
  change: SecretChange,
): Promise<Secret> {
  return leading.client.patch<Secret>(secretKind, metadata, {
    ...mergePatch,
    body: {
      metadata: {
        ...identityOf(metadata),
        labels: labelsOf(owner),
        annotations: { ...change.annotations, ...markOf(owner) },
      },
      data: encoded(change.values ?? {}),
    },
  });
}

async function create(leading: Leading, { name, owner }: OwnedSecret, change: SecretChange): Promise<Secret> {
  const { namespace } = owner.metadata;
  try {
    // Server-side apply would change a Secret that somebody made in this very moment; creating is refused.
    return await leading.client.create<Secret>(secretKind, {
      apiVersion: "v1",
      kind: "Secret",
      type: "Opaque",
      metadata: {
        ...{ namespace, name, labels: labelsOf(owner) },
        annotations: { ...withoutNulls(change.annotations ?? {}), ...markOf(owner) },
      },
      data: withoutNulls(encoded(change.values ?? {})),
    });
  } catch (error) {
    if (!hasStatus(error, 409)) throw error;
    throw new ApiError(409, "Conflict", `The Secret ${namespace}/${name} was made by somebody else.`);
  }
}

function ownedSecret(owner: SecretOwner, name: string, object: Secret | undefined): OwnedSecret {
  if (object !== undefined && object.metadata.labels?.[ownerLabel] !== owner.metadata.uid) {
    const message =
      `There is a Secret ${name} that does not belong to this ${owner.kind.kind}, and is left alone. ` +
      `Delete it, or make this ${owner.kind.kind} again with another secretName.`;
    throw new Refused("SecretNotOwned", message);
  }
  return {
    ...{ name, owner, object },
    values: Object.fromEntries(Object.entries(object?.data ?? {}).map(([key, text]) => [key, decode(text)])),
    annotations: object?.metadata.annotations ?? {},
  };
}

function labelsOf({ metadata }: SecretOwner) {
  return { ...managedByLabel, [ownerLabel]: metadata.uid };
}

function markOf({ kind, metadata }: SecretOwner): Record<string, string> {
  return ownerMark(kind.kind, metadata.name);
}

function withoutValues(values: Readonly<Record<string, string>>): Record<string, null> {
  return Object.fromEntries(Object.keys(values).map((name) => [name, null]));
}

function identityOf({ uid, resourceVersion }: ObjectMeta) {
  return { uid, resourceVersion };
}

function encoded(values: Readonly<Record<string, string | null>>): Record<string, string | null> {
  const encode = (text: string) => Buffer.from(text, "utf8").toString("base64");
  return Object.fromEntries(
    Object.entries(values).map(([key, text]) => [key, text === null ? null : encode(text)]),
  );
}

function decode(text: string): string {
  return Buffer.from(text, "base64").toString("utf8");
}

function withoutNulls(values: Readonly<Record<string, string | null>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== null),
  );
}
