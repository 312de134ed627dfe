import { expect } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import type { Sent } from "./senders.ts";

/** A line of an exported file, as far as tests look at it. */
export interface ExportedRow {
  readonly stream_id: string;
  readonly tenant_id: string;
  readonly mode: "live" | "test";
  readonly sequence: number;
  readonly event_id: string;
  readonly merchant_id_hash: string;
}

/** The rows below a folder, partition by partition in the order of the files. */
export function exportedRows(folder: string): ExportedRow[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ndjson.zst") && !file.startsWith(".partial"),
  );
  return files
    .toSorted((one, other) => one.localeCompare(other, "en", { numeric: true }))
    .flatMap((file) => {
      const text = Buffer.from(Bun.zstdDecompressSync(readFileSync(path.join(folder, file)))).toString();
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line): ExportedRow => JSON.parse(line));
    });
}

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
export const flawless = { missing: 0, twice: 0, unknown: 0, gaps: 0, outOfOrder: 0 };

/** Waits until everything sent was exported, and asserts that it was so once and in order. */
export async function exportedOnce(folder: string, sent: readonly Sent[], timeoutMs = 60_000): Promise<void> {
  const count = sent.reduce((sum, { ids }) => sum + ids.length, 0);
  await eventually(() => expect(exportedRows(folder).length).toBeGreaterThanOrEqual(count), {
    timeoutMs,
    everyMs: 250,
  });
  expect(judge(exportedRows(folder), sent)).toEqual(flawless);
}
