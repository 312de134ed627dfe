import type { Mode } from "@payflow/contracts/access.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import type { attempt } from "../schema.ts";
import type { DeliveryStatus } from "./delivery.ts";

export interface Owner {
  readonly tenantId: string;
  readonly mode: Mode;
}

export interface DeliveryView extends Owner {
  readonly id: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly event: string;
  readonly status: DeliveryStatus;
  readonly attempts: number;
  readonly nextAttemptAt: Date | null;
  readonly firstAttemptAt: Date | null;
  readonly lastAttemptAt: Date | null;
  readonly lastStatusCode: number | null;
  readonly lastError: string | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
}

export type AttemptRow = typeof attempt.$inferSelect;

export interface DeliveryFilter {
  readonly endpointId?: string;
  readonly eventId?: string;
  readonly status?: DeliveryStatus;
}

export type Resend = "queued" | "not_found" | "sending" | "endpoint_disabled" | "endpoint_deleted";

export type DeliveriesStore = ReturnType<typeof createDeliveriesStore>;

/** Reads deliveries and attempts, and queues a delivery again. */
export function createDeliveriesStore(sql: Sql) {
  /**
   * What is in the queue says more of an unfinished delivery than its own row, which changes only with
   * results.
   */
  const view = sql`
    select d.id, d.tenant_id as "tenantId", d.mode, d.endpoint_id as "endpointId", m.event_id as "eventId",
           m.event,
           case when q.lease is not null then 'sending' else d.status end as status,
           coalesce(q.attempts, d.attempts)::integer as attempts,
           case when q.lease is null then q.due end as "nextAttemptAt",
           coalesce(d.first_attempt_at, q.first_attempt_at) as "firstAttemptAt",
           coalesce(d.last_attempt_at, q.last_attempt_at) as "lastAttemptAt",
           d.last_status_code as "lastStatusCode", d.last_error as "lastError",
           d.created_at as "createdAt", d.finished_at as "finishedAt"
      from delivery d
      join message m on m.id = d.message_id
      left join delivery_queue q on q.delivery_id = d.id`;

  const ofStatus = (status: DeliveryStatus | undefined) => {
    switch (status) {
      case undefined:
        return sql``;
      case "sending":
        return sql`and q.lease is not null`;
      case "pending":
        return sql`and d.status = 'pending' and q.lease is null`;
      case "delivered":
        return sql`and d.status = 'delivered'`;
      default:
        return sql`and d.unsuccessful_at is not null and d.status = ${status}`;
    }
  };

  return {
    async find({ tenantId, mode }: Owner, deliveryId: string): Promise<DeliveryView | null> {
      const [found] = await sql<DeliveryView[]>`
        ${view} where d.tenant_id = ${tenantId} and d.mode = ${mode} and d.id = ${deliveryId}`;
      return found ?? null;
    },

    /** Up to `limit` deliveries older than `before`, newest first. */
    async list(
      { tenantId, mode }: Owner,
      filter: DeliveryFilter,
      limit: number,
      before: string | null,
    ): Promise<readonly DeliveryView[]> {
      const { endpointId, eventId, status } = filter;
      return await sql<DeliveryView[]>`
        ${view} where d.tenant_id = ${tenantId} and d.mode = ${mode}
        ${before === null ? sql`` : sql`and d.id < ${before}`}
        ${endpointId === undefined ? sql`` : sql`and d.endpoint_id = ${endpointId}`}
        ${
          eventId === undefined
            ? sql``
            : sql`and d.message_id in (select id from message
                where tenant_id = ${tenantId} and mode = ${mode} and event_id = ${eventId})`
        }
        ${ofStatus(status)}
        order by d.id desc limit ${limit}`;
    },

    /** The logged attempts of a delivery that belongs to the caller, the first one first. */
    async attempts(deliveryId: string): Promise<readonly AttemptRow[]> {
      return await sql<AttemptRow[]>`
        select delivery_id as "deliveryId", number, started_at as "startedAt", duration_ms as "durationMs",
               status_code as "statusCode", error, address, response
          from attempt where delivery_id = ${deliveryId} order by number, started_at`;
    },

    /**
     * Makes the delivery due now and begins a new schedule, unless it is being sent or its endpoint takes
     * nothing.
     */
    async resend({ tenantId, mode }: Owner, deliveryId: string): Promise<Resend> {
      return await sql.begin(async (tx) => {
        await tx`select lock_tenants(array[${tenantId}], array[${mode}])`;
        const [row] = await tx<
          { endpointId: string; enabled: boolean; isDeleted: boolean; isLeased: boolean }[]
        >`
          select d.endpoint_id as "endpointId", coalesce(e.enabled, false) as enabled,
                 e.id is null or e.deleted_at is not null as "isDeleted", q.lease is not null as "isLeased"
            from delivery d
            left join endpoint e on e.id = d.endpoint_id
            left join delivery_queue q on q.delivery_id = d.id
           where d.tenant_id = ${tenantId} and d.mode = ${mode} and d.id = ${deliveryId}`;
        if (row === undefined) return "not_found";
        if (row.isDeleted) return "endpoint_deleted";
        if (!row.enabled) return "endpoint_disabled";
        if (row.isLeased) return "sending";
        await tx`
          insert into delivery_queue as q
                 (delivery_id, tenant_id, mode, endpoint_id, message_id, attempts, attempts_before,
                  last_attempt_at)
          select id, tenant_id, mode, endpoint_id, message_id, attempts, attempts, finished_at
            from delivery where tenant_id = ${tenantId} and mode = ${mode} and id = ${deliveryId}
          on conflict (delivery_id) do update
            set due = now(), attempts_before = q.attempts, first_attempt_at = null`;
        await tx`
          update delivery set status = 'pending', finished_at = null, unsuccessful_at = null
           where tenant_id = ${tenantId} and mode = ${mode} and id = ${deliveryId}`;
        await tx`select refresh_queue(array[${row.endpointId}], array[${tenantId}], array[${mode}])`;
        return "queued";
      });
    },
  };
}
