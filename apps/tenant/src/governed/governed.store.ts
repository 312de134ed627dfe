import type { EventEnvelope } from "@payflow/contracts/events.ts";
import type { PutTenantBody } from "@payflow/contracts/internal-tenant.ts";
import {
  governedGeneration,
  holdGoverned,
  noteGoverned,
  releaseGoverned,
} from "@payflow/service-kit/governing/governed.ts";
import { outboxRow } from "@payflow/service-kit/outbox/outbox.ts";
import type { Database } from "@payflow/service-kit/store/database.ts";
import { and, eq, isNull, sql } from "drizzle-orm";
import { apiKey, apiKeyValue, outbox, type TenantRow, tenant } from "../schema.ts";
import type { Transaction } from "../transaction.ts";
import {
  countActive,
  governedKeys,
  insertKey,
  isGovernedBy,
  lockKey,
  revokeKey,
  updateKey,
} from "./governed-keys.store.ts";

export type GovernedStore = ReturnType<typeof createGovernedStore>;

type TenantValues = Omit<PutTenantBody, "suspended"> & { readonly status: TenantRow["status"] };

/** Tenants and keys that the operator governs, in PostgreSQL. */
export function createGovernedStore({ db }: Database) {
  return {
    hold: holdGoverned,
    note: noteGoverned,
    release: releaseGoverned,
    /** The tenant, its row locked until the transaction ends. */
    lock: lockTenant,
    insert: insertTenant,
    update: updateTenant,
    end: endTenant,
    handOver,
    erase,
    isPast,

    /** The key of that id with whether it works; locked until the transaction ends. */
    lockKey,
    /** How many keys of the operator's work in a mode. The caller holds the tenant. */
    countActive,
    /** Adds a key; false where its value stands for another key already. */
    insertKey,
    updateKey,
    revokeKey,

    addEvent: async (tx: Transaction, event: EventEnvelope): Promise<void> => {
      await tx.insert(outbox).values(outboxRow(event));
    },

    /** The tenant with the generation it shows and the operator's keys. */
    async view(tenantId: string) {
      const [row] = await db.select().from(tenant).where(eq(tenant.tenantId, tenantId));
      if (row === undefined) return undefined;
      const generation = await governedGeneration(db, tenantId);
      return { row, generation, keys: await governedKeys(db, tenantId) };
    },
  };
}

function columnsOf({ limits, deletion_policy, name, email, status }: TenantValues) {
  return {
    name,
    email,
    status,
    deletionPolicy: deletion_policy,
    requestsPerSecond: limits.requests_per_second,
    burst: limits.burst,
    eventsPerSecond: limits.events_per_second,
    monthlyEvents: limits.monthly_events,
    maxPaymentAmount: limits.max_payment_amount,
  };
}

async function lockTenant(tx: Transaction, tenantId: string): Promise<TenantRow | undefined> {
  const [row] = await tx.select().from(tenant).where(eq(tenant.tenantId, tenantId)).for("no key update");
  return row;
}

async function insertTenant(tx: Transaction, tenantId: string, values: TenantValues): Promise<TenantRow> {
  const { mode, currency } = values;
  const [row] = await tx
    .insert(tenant)
    .values({ tenantId, ...columnsOf(values), mode, currency, managedBy: "kubernetes" })
    .returning();
  if (row === undefined) throw new Error("the tenant was not inserted");
  return row;
}

function updateTenant(tx: Transaction, tenantId: string, values: TenantValues, version: number | undefined) {
  return set(tx, tenantId, { ...columnsOf(values), ...(version === undefined ? {} : { version }) });
}

/** Changes columns of a tenant whose row is locked. */
async function set(
  tx: Transaction,
  tenantId: string,
  values: Partial<Omit<TenantRow, "endedAt">>,
): Promise<TenantRow> {
  const ending = values.ended === undefined ? {} : { endedAt: sql`now()` };
  const [row] = await tx
    .update(tenant)
    .set({ ...values, ...ending, updatedAt: sql`now()` })
    .where(eq(tenant.tenantId, tenantId))
    .returning();
  if (row === undefined) throw new Error("the locked tenant is gone");
  return row;
}

/** Suspends the tenant for good and revokes all its keys, those made by REST too. */
async function endTenant(
  tx: Transaction,
  tenantId: string,
  ended: "closing" | "archived",
  version: number,
): Promise<TenantRow> {
  const isItsOwn = and(eq(apiKey.tenantId, tenantId), isNull(apiKey.revokedAt));
  await tx.update(apiKey).set({ revokedAt: sql`now()` }).where(isItsOwn);
  return set(tx, tenantId, { status: "suspended", ended, version });
}

/** Lets REST govern the tenant and its keys, as they are. */
async function handOver(tx: Transaction, tenantId: string): Promise<void> {
  await tx.update(apiKey).set({ managedBy: null }).where(isGovernedBy(tenantId));
  await set(tx, tenantId, { managedBy: null });
}

/** Erases what is known of an ended tenant; its ids stay, so that they are never given out again. */
async function erase(tx: Transaction, tenantId: string): Promise<void> {
  const ofTenant = eq(apiKey.tenantId, tenantId);
  const keys = tx.select({ keyId: apiKey.keyId }).from(apiKey).where(ofTenant);
  await tx.delete(apiKeyValue).where(sql`${apiKeyValue.keyId} in ${keys}`);
  await tx.update(apiKey).set({ name: "purged" }).where(ofTenant);
  await set(tx, tenantId, { name: "purged", email: "purged@invalid", ended: "purged" });
}

/** Whether a moment, `plusMs` later, is past by the database's clock. */
async function isPast(tx: Transaction, moment: Date, plusMs = 0): Promise<boolean> {
  const end = new Date(moment.getTime() + plusMs).toISOString();
  const [row] = await tx.execute<{ past: boolean }>(sql`select ${end}::timestamptz <= now() as past`);
  return row?.past === true;
}
