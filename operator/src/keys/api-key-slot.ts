import type { Mode, Scope } from "@payflow/contracts/access.ts";
import { governedKeyId } from "@payflow/contracts/internal-operator.ts";
import type { GovernedKey, TenantMode } from "@payflow/contracts/internal-tenant.ts";
import { apiKeyMode, hashApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { isCredible } from "./secret.ts";

/** A key in use in the Secret: the name of its entry, before which the others of the same mode stand. */
export interface KeySlot {
  readonly entry: "api-key" | "test-api-key";
  readonly mode: Mode;
}

/** The keys that a tenant has; with both modes the live one is the one without a prefix. */
export function keySlots(mode: TenantMode): readonly KeySlot[] {
  if (mode !== "both") return [{ entry: "api-key", mode }];
  return [
    { entry: "api-key", mode: "live" },
    { entry: "test-api-key", mode: "test" },
  ];
}

/** What is wanted of a tenant's keys. */
export interface WantedKeys {
  readonly scopes: readonly Scope[];
  /** From one replacement to the next; undefined where none is made by schedule. */
  readonly intervalMs: number | undefined;
  readonly overlapMs: number;
  /** The value of rotate-now, and that which the status says was followed. */
  readonly rotateNow: string | undefined;
  readonly followedRotateNow: string | undefined;
}

/** All that the next step over one slot follows from. */
export interface KeyView {
  readonly slot: KeySlot;
  /** The Secret's, decoded. */
  readonly values: Readonly<Record<string, string>>;
  /** The Secret's. */
  readonly annotations: Readonly<Record<string, string>>;
  /** What the tenant app has, by id; what was revoked is left out of it. */
  readonly registered: ReadonlyMap<string, GovernedKey>;
  /** Ids that the tenant app has said in this pass to work never again. */
  readonly refused: ReadonlySet<string>;
  readonly tenantUid: string;
  readonly wanted: WantedKeys;
  readonly now: Date;
}

/** A well-formed key in the Secret. */
export interface KeyEntry {
  readonly value: string;
  readonly keyId: string;
  readonly sha256: string;
  /** As the tenant app has it. */
  readonly known: GovernedKey | undefined;
}

export type KeyRole = "current" | "next" | "previous";

/** The name of a key's entry in the Secret. */
export function entryName({ entry }: KeySlot, role: KeyRole): string {
  return role === "current" ? entry : `${entry}-${role}`;
}

/** What the Secret notes of a slot beside its keys, each time in the same write as what it is about. */
export function noteNames({ entry }: KeySlot) {
  const name = (note: string) => `payflow.dev/${entry}-${note}`;
  return {
    /** The ids of the keys that we put there: others were put there by somebody else. */
    current: name("id"),
    next: name("next-id"),
    /** When the current key took its place. */
    since: name("since"),
    /** The value of rotate-now that the newest key was made for. */
    rotatedFor: name("rotated-for"),
  };
}

/** The key of a role; undefined where there is none, or something that is no key of the mode. */
export function keyEntry(view: KeyView, role: KeyRole): KeyEntry | undefined {
  const value = view.values[entryName(view.slot, role)];
  if (value === undefined || apiKeyMode(value) !== view.slot.mode) return undefined;
  const sha256 = hashApiKey(value);
  const keyId = governedKeyId(view.tenantUid, sha256);
  return { value, sha256, keyId, known: view.registered.get(keyId) };
}

/** Whether a key in the Secret is one that the tenant app lets in. */
export function isUsable(entry: KeyEntry | undefined): entry is KeyEntry & { readonly known: GovernedKey } {
  return entry?.known?.is_active === true;
}

/** When the current key took its place. */
export function currentSince(view: KeyView): Date | undefined {
  const noted = new Date(view.annotations[noteNames(view.slot).since] ?? Number.NaN);
  if (isCredible(noted, view.now)) return noted;
  const current = keyEntry(view, "current");
  return current?.known === undefined ? undefined : new Date(current.known.created_at);
}

/** When the current key is to be replaced by schedule. */
export function nextRotation(view: KeyView): Date | undefined {
  const since = currentSince(view);
  const { intervalMs } = view.wanted;
  return since === undefined || intervalMs === undefined ? undefined : new Date(since.getTime() + intervalMs);
}

/** Whether rotate-now asks for a key that was not made yet. */
export function isAskedFor({ slot, annotations, wanted }: KeyView): boolean {
  const { rotateNow, followedRotateNow } = wanted;
  return (
    rotateNow !== undefined && rotateNow !== (annotations[noteNames(slot).rotatedFor] ?? followedRotateNow)
  );
}
