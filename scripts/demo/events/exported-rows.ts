import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** A line of an exported file: where the event is stored, then the event's own fields. */
export interface ExportedRow {
  readonly stream_id: string;
  readonly tenant_id: string;
  readonly mode: "live" | "test";
  /** Counts the merchant's events in this mode. */
  readonly sequence: number;
  readonly event_id: string;
  readonly event_type: string;
  readonly merchant_id_hash: string;
  readonly processor: string;
}

/** The rows of the files of JSON lines below a folder, partition by partition in the order of the files. */
export function exportedRows(folder: string): ExportedRow[] {
  return exportedFiles(folder).flatMap((file) =>
    Bun.zstdDecompressSync(readFileSync(file))
      .toString()
      .split("\n")
      .filter((line) => line !== "")
      .map((line): ExportedRow => JSON.parse(line)),
  );
}

/** The whole files below a folder. Those that are being written stand in a hidden folder of it. */
export function exportedFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ndjson.zst") && !file.startsWith(".partial"))
    .toSorted((one, other) => one.localeCompare(other, "en", { numeric: true }))
    .map((file) => path.join(folder, file));
}
