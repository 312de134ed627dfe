import { maxGovernedKeys } from "@payflow/contracts/internal-tenant.ts";
import {
  currentSince,
  entryName,
  isAskedFor,
  isUsable,
  type KeyEntry,
  type KeyRole,
  type KeyView,
  keyEntry,
  nextRotation,
  noteNames,
} from "./api-key-slot.ts";
import type { SecretChange } from "./owned-secret.ts";

/** Why a key is made. */
export type KeyReason = "first" | "lost" | "edited" | "over" | "scheduled" | "asked";

/** One step over a slot: one write to the Secret, or one call of the tenant app. */
export type KeyStep =
  | { readonly kind: "make"; readonly why: KeyReason }
  | {
      readonly kind: "store";
      readonly done: "promoted" | "next-dropped" | "previous-dropped" | "noted";
      readonly change: SecretChange;
    }
  | {
      readonly kind: "register";
      readonly role: KeyRole;
      readonly keyId: string;
      readonly sha256: string;
      readonly expiresAt: string | null;
      /** Whether the tenant app knew the key. */
      readonly isKnown: boolean;
    }
  | { readonly kind: "revoke"; readonly keyId: string };

/**
 * What is to be done next to a slot; undefined once all is as wanted. Each step can be the last before a
 * crash: what is in the Secret and in the tenant app says where to go on. The order is that of a new key:
 * written as next, registered, promoted, and only then is the end of the one before it set. So the entry in
 * use is at any moment a key that works, and no key is registered that no Secret holds.
 */
export function nextKeyStep(view: KeyView): KeyStep | undefined {
  return pendingStep(view) ?? currentStep(view) ?? previousStep(view) ?? orphanStep(view) ?? dueStep(view);
}

/** A next key is there: it is finished first. */
function pendingStep(view: KeyView): KeyStep | undefined {
  if (view.values[entryName(view.slot, "next")] === undefined) return undefined;
  const next = keyEntry(view, "next");
  const current = keyEntry(view, "current");
  const notes = noteNames(view.slot);
  const isOver = next?.known?.is_active === false || view.refused.has(next?.keyId ?? "");
  const isOurs = next !== undefined && view.annotations[notes.next] === next.keyId;
  // What somebody else wrote there is never registered: it may be anybody's.
  if (!isOurs || isOver || next.value === current?.value) return drop(view, "next");
  if (!isUsable(next)) {
    // Three keys work at most; one that no Secret holds makes room.
    return (isFull(view) ? orphanStep(view) : undefined) ?? register(next, "next", null);
  }
  return corrected(view, next, "next", null) ?? promote(view, next, isUsable(current) ? current : undefined);
}

function promote(view: KeyView, next: KeyEntry, before: KeyEntry | undefined): KeyStep {
  const { slot, now } = view;
  const notes = noteNames(slot);
  return {
    kind: "store",
    done: "promoted",
    change: {
      values: {
        [entryName(slot, "current")]: next.value,
        [entryName(slot, "next")]: null,
        ...(before === undefined ? {} : { [entryName(slot, "previous")]: before.value }),
      },
      annotations: { [notes.current]: next.keyId, [notes.next]: null, [notes.since]: now.toISOString() },
    },
  };
}

/** The key in use is there, ours, and works without an end. */
function currentStep(view: KeyView): KeyStep | undefined {
  const { slot, values, annotations, refused } = view;
  const notes = noteNames(slot);
  const current = keyEntry(view, "current");
  if (current === undefined) {
    const isThere = values[entryName(slot, "current")] !== undefined;
    const isFirst = ![...view.registered.values()].some((key) => key.mode === slot.mode);
    return { kind: "make", why: isThere ? "edited" : isFirst ? "first" : "lost" };
  }
  const noted = annotations[notes.current];
  if (noted !== undefined && noted !== current.keyId) return { kind: "make", why: "edited" };
  if (isUsable(current)) {
    if (noted === undefined || annotations[notes.since] === undefined) {
      const since = currentSince(view)?.toISOString() ?? current.known.created_at;
      const change = { annotations: { [notes.current]: current.keyId, [notes.since]: since } };
      return { kind: "store", done: "noted", change };
    }
    return corrected(view, current, "current", null);
  }
  if (current.known !== undefined || refused.has(current.keyId)) return { kind: "make", why: "over" };
  // The tenant app has lost a key that we made; what somebody else put there is not let in.
  return noted === undefined ? { kind: "make", why: "edited" } : register(current, "current", null);
}

/** The previous key ends when its overlap is over, and then leaves the Secret. */
function previousStep(view: KeyView): KeyStep | undefined {
  if (view.values[entryName(view.slot, "previous")] === undefined) return undefined;
  const previous = keyEntry(view, "previous");
  if (!isUsable(previous) || previous.value === keyEntry(view, "current")?.value) {
    return drop(view, "previous");
  }
  const since = currentSince(view) ?? view.now;
  const endMs = since.getTime() + view.wanted.overlapMs;
  const setMs = previous.known.expires_at === null ? endMs : Date.parse(previous.known.expires_at);
  // An end that was set once is never put off.
  return corrected(view, previous, "previous", new Date(Math.min(endMs, setMs)).toISOString());
}

/** A key works that no Secret holds: it was taken out by hand. */
function orphanStep(view: KeyView): KeyStep | undefined {
  const held = new Set((["current", "next", "previous"] as const).map((role) => keyEntry(view, role)?.keyId));
  const orphan = activeKeys(view).find((key) => !held.has(key.key_id));
  return orphan === undefined ? undefined : { kind: "revoke", keyId: orphan.key_id };
}

/** A new key is due. It waits until the overlap of the last one is over, which was promised. */
function dueStep(view: KeyView): KeyStep | undefined {
  if (view.values[entryName(view.slot, "previous")] !== undefined) return undefined;
  if (isAskedFor(view)) return { kind: "make", why: "asked" };
  const dueAt = nextRotation(view);
  return dueAt !== undefined && dueAt <= view.now ? { kind: "make", why: "scheduled" } : undefined;
}

function drop(view: KeyView, role: "next" | "previous"): KeyStep {
  const values = { [entryName(view.slot, role)]: null };
  const notes = role === "next" ? { annotations: { [noteNames(view.slot).next]: null } } : {};
  return { kind: "store", done: `${role}-dropped`, change: { values, ...notes } };
}

/** The registration as it has to be, where it is otherwise. */
function corrected(
  view: KeyView,
  entry: KeyEntry,
  role: KeyRole,
  expiresAt: string | null,
): KeyStep | undefined {
  const { known } = entry;
  const isSameEnd = timeOf(known?.expires_at) === timeOf(expiresAt);
  const isSameScopes = [...(known?.scopes ?? [])].sort().join() === [...view.wanted.scopes].sort().join();
  return isSameEnd && isSameScopes ? undefined : register(entry, role, expiresAt);
}

function register(entry: KeyEntry, role: KeyRole, expiresAt: string | null): KeyStep {
  const { keyId, sha256, known } = entry;
  return { kind: "register", role, keyId, sha256, expiresAt, isKnown: known !== undefined };
}

function isFull(view: KeyView): boolean {
  return activeKeys(view).length >= maxGovernedKeys;
}

function activeKeys({ registered, slot }: KeyView) {
  return [...registered.values()].filter((key) => key.mode === slot.mode && key.is_active);
}

function timeOf(time: string | null | undefined): number | undefined {
  return time == null ? undefined : Date.parse(time);
}
