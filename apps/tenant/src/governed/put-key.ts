import { DomainError } from "@payflow/contracts/errors.ts";
import { type Governor, governedKeyId } from "@payflow/contracts/internal-operator.ts";
import { type GovernedKey, maxGovernedKeys, type PutKeyBody } from "@payflow/contracts/internal-tenant.ts";
import { currentValue, type KeySecrets } from "../api-keys/stored-value.ts";
import { recordChange } from "../changes/record-change.ts";
import type { TenantRow } from "../schema.ts";
import type { Transaction } from "../transaction.ts";
import type { KeyView } from "./governed-keys.store.ts";
import { requireOwnId, toGovernedKey } from "./governed-tenant.ts";
import type { GovernByOperator } from "./put-tenant.ts";

export interface PutKey extends GovernByOperator {
  readonly secrets: KeySecrets;
}

/**
 * Registers a key by its hash, or sets when it expires and what it may do; from within a second on that
 * counts everywhere. Fails as `putTenant` does, and with `limit_reached` where three keys of the mode work
 * already, or `invalid_state` for a key that is over.
 */
export async function putKey(
  deps: PutKey,
  governor: Governor,
  ids: { readonly tenantId: string; readonly keyId: string },
  wanted: PutKeyBody,
): Promise<GovernedKey> {
  if (governedKeyId(governor.owner.uid, wanted.key_sha256) !== ids.keyId) {
    throw new DomainError("invalid_request", "The id does not follow from the resource's uid and the hash.");
  }
  const key = await underTenant(deps, governor, ids.tenantId, async (tx, tenant) => {
    if (tenant.ended !== null) throw new DomainError("invalid_state", `The tenant is ${tenant.ended}.`);
    if (tenant.mode !== "both" && tenant.mode !== wanted.mode) {
      const errors = [{ pointer: "/mode", message: `Expected ${tenant.mode}, the tenant's own` }];
      throw new DomainError("invalid_request", undefined, { errors });
    }
    const known = await deps.governed.lockKey(tx, ids.tenantId, ids.keyId);
    await (known === undefined ? add(deps, tx, ids, wanted) : change(deps, tx, known, wanted));
    return deps.governed.lockKey(tx, ids.tenantId, ids.keyId);
  });
  if (key === undefined) throw new Error("the key is not there after it was put");
  return toGovernedKey(key);
}

/** Revokes a key at once. Repeating it changes nothing. Fails as `putKey` does, and with `not_found`. */
export async function revokeKey(
  deps: PutKey,
  governor: Governor,
  ids: { readonly tenantId: string; readonly keyId: string },
): Promise<void> {
  await underTenant(deps, governor, ids.tenantId, async (tx) => {
    const known = await deps.governed.lockKey(tx, ids.tenantId, ids.keyId);
    if (known === undefined) throw new DomainError("not_found");
    if (known.revokedAt !== null) return;
    await deps.governed.revokeKey(tx, ids.keyId, await recordChange(deps, tx, ids.keyId));
  });
}

/** Keys change under their tenant's lock, so that those that work can be counted. */
async function underTenant<T>(
  deps: PutKey,
  governor: Governor,
  tenantId: string,
  run: (tx: Transaction, tenant: TenantRow) => Promise<T>,
): Promise<T> {
  requireOwnId(governor, tenantId);
  const result = await deps.transact(async (tx) => {
    const claim = await deps.governed.hold(tx, governor, tenantId);
    const tenant = claim.before === null ? undefined : await deps.governed.lock(tx, tenantId);
    if (tenant === undefined) throw new DomainError("not_found");
    if (claim.isReleased) throw new DomainError("invalid_state", "The resource of the tenant was deleted.");
    return run(tx, tenant);
  });
  deps.announce();
  return result;
}

async function add(
  deps: PutKey,
  tx: Transaction,
  { tenantId, keyId }: { readonly tenantId: string; readonly keyId: string },
  wanted: PutKeyBody,
): Promise<void> {
  const expiresAt = expiryOf(wanted);
  const isOver = expiresAt !== null && (await deps.governed.isPast(tx, expiresAt));
  if (!isOver && (await deps.governed.countActive(tx, tenantId, wanted.mode)) >= maxGovernedKeys) {
    const detail = `${maxGovernedKeys} ${wanted.mode} keys work already: next, current and previous.`;
    throw new DomainError("limit_reached", detail);
  }
  const { mode, name, scopes } = wanted;
  // Of the key itself nothing is known here but its hash, and so nothing of it can be shown.
  const shown = { prefix: `pfk_${wanted.mode}_`, last4: "" };
  const value = currentValue(deps.secrets, wanted.key_sha256);
  const isAdded = await deps.governed.insertKey(
    tx,
    { keyId, tenantId, mode, name, scopes, expiresAt, ...shown },
    value,
  );
  if (!isAdded) throw new DomainError("governed_by_another", "The key is registered under another id.");
}

async function change(deps: PutKey, tx: Transaction, known: KeyView, wanted: PutKeyBody): Promise<void> {
  if (known.revokedAt !== null) throw new DomainError("invalid_state", "The key was revoked.");
  if (known.mode !== wanted.mode) throw new DomainError("immutable_field", "A key's mode does not change.");
  const expiresAt = expiryOf(wanted);
  const isSame =
    known.name === wanted.name &&
    known.expiresAt?.getTime() === expiresAt?.getTime() &&
    [...known.scopes].sort().join() === [...wanted.scopes].sort().join();
  if (isSame) return;
  if (!known.isActive) throw new DomainError("invalid_state", "The key has expired; register another one.");
  const version = await recordChange(deps, tx, known.keyId);
  const { name, scopes } = wanted;
  await deps.governed.updateKey(tx, known.keyId, { name, scopes, expiresAt, version });
}

function expiryOf(wanted: PutKeyBody): Date | null {
  return wanted.expires_at === null ? null : new Date(wanted.expires_at);
}
