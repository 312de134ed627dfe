import { expect } from "bun:test";
import type { Sql } from "@payflow/service-kit/store/database.ts";

/**
 * What the queue's rows say of themselves is what the deliveries say: nothing is counted twice or forgotten.
 */
export async function expectConsistentQueue(sql: Sql): Promise<void> {
  const wrong = await sql`
    select q.endpoint_id, q.inflight, q.next_due,
           (select count(*)::integer from delivery_queue d where d.endpoint_id = q.endpoint_id and d.lease is not null)
             as leased
      from endpoint_queue q join endpoint e on e.id = q.endpoint_id
     where q.inflight <> (select count(*) from delivery_queue d
                           where d.endpoint_id = q.endpoint_id and d.lease is not null)
        or (e.enabled and q.inflight < q.cap and q.next_due = 'infinity' and exists (
              select 1 from delivery_queue d where d.endpoint_id = q.endpoint_id and d.lease is null))`;
  expect([...wrong]).toEqual([]);
  const tenants = await sql`
    select t.tenant_id, t.mode from tenant_queue t
     where t.inflight <> coalesce((select sum(q.inflight) from endpoint_queue q
                                    where q.tenant_id = t.tenant_id and q.mode = t.mode), 0)
        or (t.inflight < tenant_cap() and t.next_due > (select min(q.next_due) from endpoint_queue q
              where q.tenant_id = t.tenant_id and q.mode = t.mode) and t.next_due > t.turned_at)`;
  expect([...tenants]).toEqual([]);
}
