import type { Mode } from "@payflow/contracts/access.ts";
import type { PutKeyBody } from "@payflow/contracts/internal-tenant.ts";
import type { Database } from "@payflow/service-kit/store/database.ts";
import { and, asc, count, eq, gt, isNull, or, sql } from "drizzle-orm";
import { type ApiKeyRow, apiKey, apiKeyValue } from "../schema.ts";
import type { Transaction } from "../transaction.ts";

/** A key that the operator made, and whether it works by the database's clock. */
export interface KeyView extends ApiKeyRow {
  readonly isActive: boolean;
}

export type NewGovernedKey = Pick<ApiKeyRow, "keyId" | "tenantId" | "prefix" | "last4" | "expiresAt"> &
  Pick<PutKeyBody, "mode" | "name" | "scopes">;

const isLive = or(isNull(apiKey.expiresAt), gt(apiKey.expiresAt, sql`now()`));
const columns = { row: apiKey, isActive: sql<boolean>`${isLive}` };
const toView = ({ row, isActive }: { row: ApiKeyRow; isActive: boolean }): KeyView => ({ ...row, isActive });

/** The operator's keys of a tenant, those that were revoked left out. */
export function isGovernedBy(tenantId: string) {
  return and(eq(apiKey.tenantId, tenantId), eq(apiKey.managedBy, "kubernetes"), isNull(apiKey.revokedAt));
}

/** For so long one that is over is still shown; a year of rotations would be half a million. */
const isRecent = or(isNull(apiKey.expiresAt), gt(apiKey.expiresAt, sql`now() - interval '1 hour'`));

export async function governedKeys(db: Database["db"], tenantId: string): Promise<KeyView[]> {
  const order = [asc(apiKey.createdAt), asc(apiKey.keyId)];
  const rows = await db
    .select(columns)
    .from(apiKey)
    .where(and(isGovernedBy(tenantId), isRecent))
    .orderBy(...order);
  return rows.map(toView);
}

export async function lockKey(
  tx: Transaction,
  tenantId: string,
  keyId: string,
): Promise<KeyView | undefined> {
  const [found] = await tx
    .select(columns)
    .from(apiKey)
    .where(and(eq(apiKey.tenantId, tenantId), eq(apiKey.keyId, keyId), eq(apiKey.managedBy, "kubernetes")))
    .for("no key update");
  return found === undefined ? undefined : toView(found);
}

export async function countActive(tx: Transaction, tenantId: string, mode: Mode): Promise<number> {
  const [row] = await tx
    .select({ keys: count() })
    .from(apiKey)
    .where(and(isGovernedBy(tenantId), eq(apiKey.mode, mode), isLive));
  return row?.keys ?? 0;
}

export async function insertKey(
  tx: Transaction,
  key: NewGovernedKey,
  value: { readonly storedValue: string; readonly secretVersion: number },
): Promise<boolean> {
  await tx.insert(apiKey).values({ ...key, managedBy: "kubernetes" });
  const added = await tx
    .insert(apiKeyValue)
    .values({ keyId: key.keyId, ...value })
    .onConflictDoNothing()
    .returning({ keyId: apiKeyValue.keyId });
  return added.length === 1;
}

export async function updateKey(
  tx: Transaction,
  keyId: string,
  values: Pick<ApiKeyRow, "name" | "scopes" | "expiresAt" | "version">,
): Promise<void> {
  await tx.update(apiKey).set(values).where(eq(apiKey.keyId, keyId));
}

export async function revokeKey(tx: Transaction, keyId: string, version: number): Promise<void> {
  await tx.update(apiKey).set({ revokedAt: sql`now()`, version }).where(eq(apiKey.keyId, keyId));
}
