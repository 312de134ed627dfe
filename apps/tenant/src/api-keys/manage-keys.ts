import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import { hashApiKey, makeApiKey, shownParts } from "@payflow/service-kit/auth/api-key.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import { type RecordChange, recordChange } from "../changes/record-change.ts";
import type { ApiKeyRow } from "../schema.ts";
import { requireByRest } from "../tenants/managed.ts";
import type { Transact, Transaction } from "../transaction.ts";
import { type CreateKeyBody, type KeyResponse, type KeysQuery, toKey } from "./api-keys.contract.ts";
import { type IssuedKey, type IssueKey, issueKey } from "./issue-key.ts";
import { requireWithin } from "./key-rights.ts";
import { currentValue } from "./stored-value.ts";

/** Keys of one tenant that work at the same time, of both modes together. */
const maxKeys = 100;

export interface ManageKeys extends IssueKey, RecordChange {
  readonly transact: Transact;
  readonly cursors: Cursors;
  /** Tells the publisher that something was committed for it. */
  readonly announce: () => void;
}

/**
 * Makes a key of the caller's own mode, with all or some of its scopes. Fails with `insufficient_scope`,
 * `limit_reached`, or `invalid_request` for an expiry that is past.
 */
export function createKey(
  deps: ManageKeys,
  context: TenantContext,
  request: CreateKeyBody,
): Promise<IssuedKey> {
  if (request.mode !== context.mode) {
    throw new DomainError("insufficient_scope", `A ${context.mode} key makes only ${context.mode} keys.`);
  }
  const scopes = request.scopes ?? context.scopes;
  requireWithin(context, scopes);
  const expiresAt =
    request.expires_at === undefined || request.expires_at === null ? null : new Date(request.expires_at);
  return deps.transact(async (transaction) => {
    if (expiresAt !== null && !(await deps.keys.isFuture(transaction, expiresAt))) {
      const errors = [{ pointer: "/expires_at", message: "Expected a moment that is still to come" }];
      throw new DomainError("invalid_request", undefined, { errors });
    }
    if ((await deps.keys.countLive(transaction, context.tenantId)) >= maxKeys) {
      throw new DomainError(
        "limit_reached",
        `A tenant may have ${maxKeys} keys; delete one that is not used.`,
      );
    }
    const { tenantId, mode } = context;
    return issueKey(deps, transaction, { tenantId, mode, name: request.name, scopes, expiresAt });
  });
}

/** The keys of the caller's mode, newest first. Fails with `invalid_cursor`. */
export async function listKeys(
  deps: ManageKeys,
  context: TenantContext,
  query: KeysQuery,
): Promise<Page<KeyResponse>> {
  const limit = query.limit ?? 20;
  const owner = `api-keys ${context.tenantId} ${context.mode}`;
  const before = query.cursor === undefined ? undefined : deps.cursors.decode(owner, query.cursor);
  const rows = await deps.keys.list(context, limit, before);
  return toPage(rows, limit, toKey, (last) => deps.cursors.encode(owner, last.keyId));
}

/**
 * Gives the key a new value. The present one works for `overlapSeconds` more; one that an earlier rotation
 * left ends. Fails with `not_found`, `insufficient_scope`, or `invalid_state` for a key that has expired.
 */
export function rotateKey(
  deps: ManageKeys,
  context: TenantContext,
  keyId: string,
  overlapSeconds: number,
): Promise<IssuedKey> {
  return changeKey(deps, context, keyId, async (transaction, known) => {
    if (known.expiresAt !== null && !(await deps.keys.isFuture(transaction, known.expiresAt))) {
      throw new DomainError("invalid_state", "The key has expired; make another one.");
    }
    const apiKey = makeApiKey(known.mode);
    const version = await recordChange(deps, transaction, keyId);
    const row = await deps.keys.rotate(transaction, keyId, {
      ...shownParts(apiKey),
      version,
      overlapSeconds,
    });
    await deps.keys.addValue(transaction, { keyId, ...currentValue(deps.secrets, hashApiKey(apiKey)) });
    return { row, apiKey };
  });
}

/**
 * Revokes the key; it is refused everywhere within a second. Fails with `not_found` or `insufficient_scope`.
 */
export function deleteKey(deps: ManageKeys, context: TenantContext, keyId: string): Promise<void> {
  return changeKey(deps, context, keyId, async (transaction) => {
    await deps.keys.revoke(transaction, keyId, await recordChange(deps, transaction, keyId));
  });
}

async function changeKey<T>(
  deps: ManageKeys,
  context: TenantContext,
  keyId: string,
  run: (transaction: Transaction, known: ApiKeyRow) => Promise<T>,
): Promise<T> {
  if (!isId("key", keyId)) throw new DomainError("not_found");
  const result = await deps.transact(async (transaction) => {
    const known = await deps.keys.lock(transaction, context, keyId);
    if (known === undefined) throw new DomainError("not_found");
    requireByRest(known);
    requireWithin(context, known.scopes);
    return run(transaction, known);
  });
  deps.announce();
  return result;
}
