import { DomainError, type FieldError } from "@payflow/contracts/errors.ts";
import type { EventData } from "@payflow/contracts/events.ts";
import { type Governor, governedId } from "@payflow/contracts/internal-operator.ts";
import type { GovernedKey, InternalTenant, PutTenantBody } from "@payflow/contracts/internal-tenant.ts";
import type { TenantRow } from "../schema.ts";
import { limitsOf, toTenant } from "../tenants/tenants.contract.ts";
import type { KeyView } from "./governed-keys.store.ts";

type Change = EventData<"tenant.changed">["change"];

/** Throws `invalid_request` where the id is not the one that follows from the resource's uid. */
export function requireOwnId(governor: Governor, tenantId: string): void {
  if (governedId("ten", governor.owner.uid) === tenantId) return;
  throw new DomainError("invalid_request", "The id does not follow from the resource's uid.");
}

/** The fields that were to stay and do not, by their pointers. */
export function changedForGood(row: TenantRow, wanted: PutTenantBody): readonly FieldError[] {
  const fields = ["mode", "currency"] as const;
  return fields
    .filter((field) => row[field] !== wanted[field])
    .map((field) => ({ pointer: `/${field}`, message: `Expected ${row[field]}, which it was made with` }));
}

/** What events are to tell of a change from one state to another; none where they are the same. */
export function changesTo(row: TenantRow, wanted: PutTenantBody): readonly Change[] {
  const changes: Change[] = [];
  if (row.name !== wanted.name || row.email !== wanted.email) changes.push("updated");
  const known = limitsOf(row);
  const names = Object.keys(known) as (keyof typeof known)[]; // The keys of an object of that type.
  if (names.some((name) => known[name] !== wanted.limits[name])) changes.push("limits");
  const isSuspended = row.status === "suspended";
  if (isSuspended !== wanted.suspended) changes.push(wanted.suspended ? "suspended" : "resumed");
  return changes;
}

/** A tenant as our own services and the operator see it. */
export function toInternal(view: {
  readonly row: TenantRow;
  readonly generation: number | null;
  readonly keys: readonly KeyView[];
}): InternalTenant {
  const { row, generation, keys } = view;
  const { updated_at: _, ...shown } = toTenant(row);
  return {
    ...shown,
    state: row.ended ?? "open",
    generation,
    deletion_policy: row.deletionPolicy,
    keys: keys.map(toGovernedKey),
  };
}

/** A key as the operator sees it. */
export function toGovernedKey(key: KeyView): GovernedKey {
  return {
    key_id: key.keyId,
    mode: key.mode,
    name: key.name,
    scopes: key.scopes,
    expires_at: key.expiresAt?.toISOString() ?? null,
    is_active: key.isActive && key.revokedAt === null,
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    created_at: key.createdAt.toISOString(),
  };
}
