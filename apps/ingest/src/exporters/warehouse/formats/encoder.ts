import type { ExportRow } from "../../row.ts";
import { createNdjsonEncoder } from "./ndjson.ts";
import { createParquetEncoder } from "./parquet.ts";

/**
 * Turns rows into the bytes of one file. The same rows give the same bytes, so that a file that is written
 * again is the same file.
 */
export interface FileEncoder {
  add(row: ExportRow): void;
  /** The whole file, in pieces. Nothing is added afterwards. */
  finish(): readonly Uint8Array[];
}

export const fileFormats = ["ndjson", "parquet"] as const;
export type FileFormat = (typeof fileFormats)[number];

/** How the names of a format's files end. */
export const extensions: Readonly<Record<FileFormat, string>> = {
  ndjson: "ndjson.zst",
  parquet: "parquet",
};

export function createEncoder(format: FileFormat): FileEncoder {
  return format === "ndjson" ? createNdjsonEncoder() : createParquetEncoder();
}
