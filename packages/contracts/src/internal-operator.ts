import { DomainError, type FieldError } from "./errors.ts";
import { derivedId } from "./ids.ts";

/** `<cluster>/<namespace>/<name>/<uid>` of the resource that a write is made for. */
const ownerHeader = "x-payflow-owner";
/** The resource's `metadata.generation`. */
const generationHeader = "x-payflow-generation";
/** `<lease>:<creation in ms since 1970>:<transitions>` of the Lease that the writing operator holds. */
const fencingHeader = "x-payflow-fencing-token";

/** What a ServiceAccount token must have been made for to be the operator's. */
export const operatorAudience = "payflow-internal";

/** The resource an object is governed by. `uid` tells it from one of the same name made later. */
export interface Owner {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** A holder of a Lease: one created later, or after more transitions, is newer. */
export interface FencingToken {
  readonly lease: string;
  readonly createdMs: number;
  readonly transitions: number;
}

/** On whose behalf the operator writes, and by which right. */
export interface Governor {
  readonly owner: Owner;
  readonly generation: number;
  readonly fence: FencingToken;
}

const ownerPattern = /^([\w.-]{1,253})\/([a-z0-9-]{1,63})\/([a-z0-9.-]{1,253})\/([0-9A-Za-z-]{1,64})$/;
const fencePattern = /^([\w./-]{1,320}):(\d{1,15}):(\d{1,15})$/;

/** The governor in a request's headers. Throws `invalid_request`, naming each header that is wrong. */
export function readGovernor(headers: Pick<Headers, "get">): Governor {
  const errors: FieldError[] = [];
  const parts = (name: string, pattern: RegExp, expected: string) => {
    const found = pattern.exec(headers.get(name) ?? "");
    if (found === null) errors.push({ pointer: `#/header/${name}`, message: `Expected ${expected}` });
    return found ?? [];
  };
  const [, cluster = "", namespace = "", name = "", uid = ""] = parts(
    ownerHeader,
    ownerPattern,
    "<cluster>/<namespace>/<name>/<uid>",
  );
  const [generation = ""] = parts(generationHeader, /^[1-9]\d{0,14}$/, "a generation from 1");
  const [, lease = "", createdMs, transitions] = parts(
    fencingHeader,
    fencePattern,
    "<lease>:<creation in ms>:<transitions>",
  );
  if (errors.length > 0) throw new DomainError("invalid_request", undefined, { errors });
  return {
    owner: { cluster, namespace, name, uid },
    generation: Number(generation),
    fence: { lease, createdMs: Number(createdMs), transitions: Number(transitions) },
  };
}

/** The headers that say what `readGovernor` reads. */
export function governorHeaders({ owner, generation, fence }: Governor): Record<string, string> {
  return {
    [ownerHeader]: [owner.cluster, owner.namespace, owner.name, owner.uid].join("/"),
    [generationHeader]: String(generation),
    [fencingHeader]: [fence.lease, fence.createdMs, fence.transitions].join(":"),
  };
}

/** The id of the object that a resource governs: the same after any crash, and never another resource's. */
export function governedId(prefix: "ten" | "whe" | "fpl", uid: string): string {
  return derivedId(prefix, ["kubernetes", uid]);
}

/** The id of a tenant's key, by the key's SHA-256 in hex: one id never stands for two keys. */
export function governedKeyId(tenantUid: string, keySha256: string): string {
  return derivedId("key", ["kubernetes", tenantUid, keySha256]);
}
