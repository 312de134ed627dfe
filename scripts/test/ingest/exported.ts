import { expect } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type ExportedRow, exportedRows } from "../../demo/events/exported-rows.ts";
import type { Sent } from "./senders.ts";

const nameOf = (tenantId: string, mode: string, merchant: string) => `${tenantId}/${mode}/${merchant}`;

/**
 * Holds exported rows against what was acknowledged: what is missing, what is there twice or was never sent,
 * sequences with gaps, and merchants whose events stand in another order than they were sent in.
 */
export function judge(rows: readonly ExportedRow[], sent: readonly Sent[]) {
  const byMerchant = Map.groupBy(rows, (row) => nameOf(row.tenant_id, row.mode, row.merchant_id_hash));
  const found = { missing: 0, twice: 0, unknown: 0, gaps: 0, outOfOrder: 0 };
  for (const { tenantId, mode, merchant, ids } of sent) {
    const own = byMerchant.get(nameOf(tenantId, mode, merchant)) ?? [];
    const exported = own.map((row) => row.event_id);
    const known = new Set(exported);
    const wanted = new Set(ids);
    found.missing += ids.filter((id) => !known.has(id)).length;
    found.unknown += exported.filter((id) => !wanted.has(id)).length;
    found.twice += exported.length - known.size;
    found.gaps += own.filter((row, index) => row.sequence !== index + 1).length;
    if (!Bun.deepEquals(exported, ids)) found.outOfOrder += 1;
  }
  return found;
}

/** Nothing wrong, as `judge` tells it. */
const flawless = { missing: 0, twice: 0, unknown: 0, gaps: 0, outOfOrder: 0 };

/** Waits until everything sent was exported, and asserts that it was so once and in order. */
export async function exportedOnce(folder: string, sent: readonly Sent[], timeoutMs = 60_000): Promise<void> {
  const count = sent.reduce((sum, { ids }) => sum + ids.length, 0);
  await eventually(() => expect(exportedRows(folder).length).toBeGreaterThanOrEqual(count), {
    timeoutMs,
    everyMs: 250,
  });
  expect(judge(exportedRows(folder), sent)).toEqual(flawless);
}
