import type { Mode } from "@payflow/contracts/access.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import { acquireLease, releaseLeases } from "@payflow/service-kit/store/lease.ts";
import type { SealedSecret } from "../sending/secret-box.ts";

/** An endpoint that was disabled for failing and is due to be tried again. */
export interface ProbeTarget {
  readonly endpointId: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly url: string;
  readonly secret: SealedSecret;
  /** Seconds since 1970, by the store's clock. */
  readonly nowSeconds: number;
}

export type UpkeepStore = ReturnType<typeof createUpkeepStore>;

interface ProbeRow extends Omit<ProbeTarget, "secret"> {
  readonly sealed: Uint8Array;
  readonly keyId: string;
}

/** What keeps the queue's tables small, and finds what waits for nobody. */
export function createUpkeepStore(sql: Sql) {
  return {
    /**
     * Runs the work if nobody else does so at the moment; the lease ends by itself should this process die.
     */
    async alone(
      holder: string,
      name: string,
      leaseSeconds: number,
      work: () => Promise<void>,
    ): Promise<void> {
      const fence = await acquireLease(sql, { name, holder, leaseSeconds });
      if (fence === null) return;
      try {
        await work();
      } finally {
        await releaseLeases(sql, holder, [name]);
      }
    },

    /** Makes the partitions of the attempts up to a week ahead. */
    async makePartitions(): Promise<void> {
      await sql`select make_attempt_partitions(7)`;
    },

    async dropPartitions(keepDays: number): Promise<number> {
      const [row] = await sql<{ dropped: number }[]>`select drop_attempt_partitions(${keepDays}) as dropped`;
      return row?.dropped ?? 0;
    },

    /** Cancels up to `limit` deliveries of endpoints deleted, or disabled for `days`; returns how many. */
    async cancelOrphans(limit: number, days: number): Promise<number> {
      const [row] = await sql<{ canceled: number }[]>`select cancel_orphans(${limit}, ${days}) as canceled`;
      return row?.canceled ?? 0;
    },

    /**
     * Deletes old, finished messages among the next `limit` after the given id; returns the last looked at,
     * or null.
     */
    async dropMessages(after: string, limit: number, keepDays: number): Promise<string | null> {
      const [row] = await sql<{ last: string | null }[]>`
        select drop_messages(${after}, ${limit}, ${keepDays}) as last`;
      return row?.last ?? null;
    },

    /** Deletes endpoints that were deleted by their tenants and have no deliveries any more. */
    async dropEndpoints(limit: number): Promise<void> {
      await sql`
        with dropped as (
          delete from endpoint where id in (
            select e.id from endpoint e
             where e.deleted_at is not null
               and not exists (select 1 from delivery d where d.endpoint_id = e.id)
               and not exists (select 1 from delivery_queue q where q.endpoint_id = e.id)
             limit ${limit})
          returning id)
        delete from endpoint_queue q using dropped where q.endpoint_id = dropped.id`;
    },

    /** Takes endpoints whose probe is due, and puts their next one off: an hour at first, up to a day. */
    async takeProbes(limit: number): Promise<readonly ProbeTarget[]> {
      const rows = await sql<ProbeRow[]>`
        with due as (
          select endpoint_id from endpoint_queue where probe_due <= now()
           order by probe_due limit ${limit} for update skip locked
        ), taken as (
          update endpoint_queue q
             set probes = q.probes + 1,
                 probe_due = now() + make_interval(hours => least(24, 2 ^ least(5, q.probes + 1))::integer)
            from due where q.endpoint_id = due.endpoint_id
          returning q.endpoint_id
        )
        select e.id as "endpointId", e.tenant_id as "tenantId", e.mode, e.url, e.secret as sealed,
               e.secret_key_id as "keyId", extract(epoch from now())::double precision as "nowSeconds"
          from taken join endpoint e on e.id = taken.endpoint_id
         where e.deleted_at is null and e.disabled_reason = 'failing'`;
      return rows.map(({ sealed, keyId, ...row }) => ({ ...row, secret: { sealed, keyId } }));
    },

    /** Enables an endpoint that is still disabled for failing, and lets what waits go on; whether it was. */
    async recover({ endpointId, tenantId, mode }: ProbeTarget): Promise<boolean> {
      return await sql.begin(async (tx) => {
        await tx`select lock_tenants(array[${tenantId}], array[${mode}])`;
        const enabled = await tx`
          update endpoint set enabled = true, disabled_reason = null, disabled_at = null, updated_at = now()
           where id = ${endpointId} and disabled_reason = 'failing' returning id`;
        if (enabled.length === 0) return false;
        await tx`select reset_endpoint(${endpointId})`;
        await tx`select refresh_queue(array[${endpointId}], array[${tenantId}], array[${mode}])`;
        return true;
      });
    },
  };
}
