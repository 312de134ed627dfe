import type { Mode, TenantContext } from "@payflow/contracts/access.ts";
import type { Database } from "@payflow/service-kit/store/database.ts";
import { and, count, desc, eq, gt, isNull, lt, or, sql } from "drizzle-orm";
import { type ApiKeyRow, apiKey, apiKeyValue, tenant } from "../schema.ts";
import type { Transaction } from "../transaction.ts";

export type ApiKeyStore = ReturnType<typeof createApiKeyStore>;

export type NewKey = Pick<
  ApiKeyRow,
  "keyId" | "tenantId" | "mode" | "name" | "scopes" | "prefix" | "last4" | "expiresAt"
>;

export interface KeyValue {
  readonly keyId: string;
  readonly storedValue: string;
  readonly secretVersion: number;
}

const isLive = or(isNull(apiKey.expiresAt), gt(apiKey.expiresAt, sql`now()`));

async function countLive(transaction: Transaction, tenantId: string): Promise<number> {
  await transaction
    .select({ tenantId: tenant.tenantId })
    .from(tenant)
    .where(eq(tenant.tenantId, tenantId))
    .for("no key update");
  const [row] = await transaction
    .select({ keys: count() })
    .from(apiKey)
    .where(and(eq(apiKey.tenantId, tenantId), isNull(apiKey.revokedAt), isLive));
  return row?.keys ?? 0;
}

async function lock(
  transaction: Transaction,
  owner: Pick<TenantContext, "tenantId" | "mode">,
  keyId: string,
): Promise<ApiKeyRow | undefined> {
  const [row] = await transaction
    .select()
    .from(apiKey)
    .where(
      and(
        eq(apiKey.keyId, keyId),
        eq(apiKey.tenantId, owner.tenantId),
        eq(apiKey.mode, owner.mode),
        isNull(apiKey.revokedAt),
      ),
    )
    .for("no key update");
  return row;
}

async function rotate(
  transaction: Transaction,
  keyId: string,
  to: Pick<ApiKeyRow, "prefix" | "last4" | "version"> & { readonly overlapSeconds: number },
): Promise<ApiKeyRow> {
  const { overlapSeconds, ...shown } = to;
  const endsAt = sql`now() + make_interval(secs => ${overlapSeconds})`;
  const ofKey = eq(apiKeyValue.keyId, keyId);
  if (overlapSeconds === 0) {
    await transaction.delete(apiKeyValue).where(ofKey);
  } else {
    await transaction.delete(apiKeyValue).where(and(ofKey, sql`ends_at is not null`));
    await transaction.update(apiKeyValue).set({ endsAt }).where(ofKey);
  }
  const [row] = await transaction
    .update(apiKey)
    .set({ ...shown, previousExpiresAt: overlapSeconds === 0 ? null : endsAt })
    .where(eq(apiKey.keyId, keyId))
    .returning();
  if (row === undefined) throw new Error("the locked key is gone");
  return row;
}

/** Keys and their stored values in PostgreSQL. */
export function createApiKeyStore({ db }: Database) {
  return {
    async insert(transaction: Transaction, key: NewKey): Promise<ApiKeyRow> {
      const [row] = await transaction.insert(apiKey).values(key).returning();
      if (row === undefined) throw new Error("the key was not inserted");
      return row;
    },

    async addValue(transaction: Transaction, value: KeyValue): Promise<void> {
      await transaction.insert(apiKeyValue).values(value);
    },

    /**
     * How many keys of the tenant work; its row stays locked, so that the number holds until the transaction
     * ends.
     */
    countLive,

    /** Whether the moment is still to come, by the database's clock. */
    async isFuture(transaction: Transaction, moment: Date): Promise<boolean> {
      const [row] = await transaction.execute<{ future: boolean }>(
        sql`select ${moment.toISOString()}::timestamptz > now() as future`,
      );
      return row?.future === true;
    },

    /** Newest first, from below the given id; one row more than asked for tells that there are more. */
    list(
      owner: { readonly tenantId: string; readonly mode: Mode },
      limit: number,
      before: string | undefined,
    ): Promise<ApiKeyRow[]> {
      return db
        .select()
        .from(apiKey)
        .where(
          and(
            eq(apiKey.tenantId, owner.tenantId),
            eq(apiKey.mode, owner.mode),
            isNull(apiKey.revokedAt),
            before === undefined ? undefined : lt(apiKey.keyId, before),
          ),
        )
        .orderBy(desc(apiKey.keyId))
        .limit(limit + 1);
    },

    /**
     * The key if it is the tenant's, of the mode and not revoked; its row locked until the transaction ends.
     */
    lock,

    async revoke(transaction: Transaction, keyId: string, version: number): Promise<void> {
      await transaction.update(apiKey).set({ revokedAt: sql`now()`, version }).where(eq(apiKey.keyId, keyId));
    },

    /** Ends the present value after the overlap, and values rotated away before at once. */
    rotate,
  };
}
