import type { TenantLimits } from "@payflow/contracts/access.ts";
import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { outboxRow } from "@payflow/service-kit/outbox/outbox.ts";
import type { Database } from "@payflow/service-kit/store/database.ts";
import { and, desc, eq, lt, sql } from "drizzle-orm";
import { outbox, type TenantRow, tenant } from "../schema.ts";
import type { Transaction } from "../transaction.ts";

export type TenantStore = ReturnType<typeof createTenantStore>;

/** Tenants in PostgreSQL. */
export function createTenantStore({ db }: Database) {
  return {
    async insert(
      transaction: Transaction,
      values: { tenantId: string; name: string; email: string; limits: TenantLimits },
    ): Promise<TenantRow> {
      const { limits, ...named } = values;
      const [row] = await transaction
        .insert(tenant)
        .values({ ...named, ...limitColumns(limits) })
        .returning();
      if (row === undefined) throw new Error("the tenant was not inserted");
      return row;
    },

    async find(tenantId: string): Promise<TenantRow | undefined> {
      const [row] = await db.select().from(tenant).where(eq(tenant.tenantId, tenantId));
      return row;
    },

    /** Newest first, from below the given id; one row more than asked for tells that there are more. */
    list(limit: number, before: string | undefined): Promise<TenantRow[]> {
      return db
        .select()
        .from(tenant)
        .where(
          and(
            sql`${tenant.ended} is distinct from 'purged'`,
            before === undefined ? undefined : lt(tenant.tenantId, before),
          ),
        )
        .orderBy(desc(tenant.tenantId))
        .limit(limit + 1);
    },

    /** The tenant, its row locked until the transaction ends. */
    async lock(transaction: Transaction, tenantId: string): Promise<TenantRow | undefined> {
      const [row] = await transaction
        .select()
        .from(tenant)
        .where(eq(tenant.tenantId, tenantId))
        .for("no key update");
      return row;
    },

    async update(
      transaction: Transaction,
      tenantId: string,
      values: Partial<Pick<TenantRow, "name" | "email" | "status" | "version">> & { limits?: TenantLimits },
    ): Promise<TenantRow> {
      const { limits, ...named } = values;
      const [row] = await transaction
        .update(tenant)
        .set({ ...named, ...(limits === undefined ? {} : limitColumns(limits)), updatedAt: sql`now()` })
        .where(eq(tenant.tenantId, tenantId))
        .returning();
      if (row === undefined) throw new Error("the locked tenant is gone");
      return row;
    },

    async addEvent(transaction: Transaction, event: EventEnvelope): Promise<void> {
      await transaction.insert(outbox).values(outboxRow(event));
    },
  };
}

function limitColumns(limits: TenantLimits) {
  return {
    requestsPerSecond: limits.requests_per_second,
    burst: limits.burst,
    eventsPerSecond: limits.events_per_second,
    monthlyEvents: limits.monthly_events,
    maxPaymentAmount: limits.max_payment_amount,
  };
}
