import type { EventData, EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import type { TenantRow } from "../schema.ts";

/** The event that tells of a tenant's change. It concerns both modes; the envelope's says live. */
export function tenantChanged(
  row: TenantRow,
  change: EventData<"tenant.changed">["change"],
  requestId: string,
): EventEnvelope<"tenant.changed"> {
  const occurredAt = row.updatedAt.toISOString();
  return {
    event_id: newId("evt"),
    type: "tenant.changed",
    version: 1,
    tenant_id: row.tenantId,
    mode: "live",
    key: row.tenantId,
    sequence: null,
    occurred_at: occurredAt,
    request_id: requestId,
    data: { change, name: row.name, status: row.status, changed_at: occurredAt },
  };
}
