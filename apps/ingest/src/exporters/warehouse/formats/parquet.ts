import { entryTimeMs } from "@payflow/service-kit/store/entry-id.ts";
import type { SchemaElement } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { instantOf, PaymentExhaust } from "../../../events/event.ts";
import { type ExportRow, streamIdOf } from "../../row.ts";
import type { FileEncoder } from "./encoder.ts";

/** Rows that stand together, column by column. Encoding so many holds the event loop for some 10 ms. */
const groupRows = 2_000;

interface Column {
  readonly element: SchemaElement;
  readonly value: (row: ExportRow) => unknown;
}

const textColumn = (name: string, value: (row: ExportRow) => unknown, isRequired = false): Column => ({
  element: {
    name,
    type: "BYTE_ARRAY",
    converted_type: "UTF8",
    repetition_type: isRequired ? "REQUIRED" : "OPTIONAL",
  },
  value,
});

const timeColumn = (name: string, value: (row: ExportRow) => bigint | undefined): Column => ({
  element: { name, type: "INT64", converted_type: "TIMESTAMP_MICROS", repetition_type: "OPTIONAL" },
  value,
});

const columns: readonly Column[] = [
  textColumn("stream_id", ({ entry }) => streamIdOf(entry), true),
  textColumn("tenant_id", ({ entry }) => entry.tenantId, true),
  textColumn("mode", ({ entry }) => entry.mode, true),
  {
    element: { name: "sequence", type: "INT64", repetition_type: "REQUIRED" },
    value: ({ entry }) => BigInt(entry.sequence),
  },
  timeColumn("received_at", ({ entry }) => BigInt(entryTimeMs(entry.id)) * 1_000n),
  ...Object.keys(PaymentExhaust.properties).map(eventColumn),
];

/** A column of the event's own. What is not of the column's type there is left out, and never the row. */
function eventColumn(name: string): Column {
  if (name === "event_timestamp") return timeColumn(name, ({ event }) => microseconds(event[name]));
  if (name === "retry_count") {
    return {
      element: { name, type: "INT32", repetition_type: "OPTIONAL" },
      value: ({ event }) => int32(event[name]),
    };
  }
  return textColumn(name, ({ event }) => (typeof event[name] === "string" ? event[name] : undefined));
}

function int32(value: unknown): number | undefined {
  return typeof value === "number" && (value | 0) === value ? value : undefined;
}

function microseconds(time: unknown): bigint | undefined {
  const instant = typeof time === "string" ? instantOf(time) : null;
  if (instant === null) return undefined;
  return BigInt(instant.ms) * 1_000n + BigInt(instant.finer.slice(0, 3).padEnd(3, "0"));
}

const schema: SchemaElement[] = [
  { name: "payment_exhaust", num_children: columns.length },
  ...columns.map((column) => column.element),
];

/** Apache Parquet with one column a field, compressed with zstd. */
export function createParquetEncoder(): FileEncoder {
  const bytes = new ByteWriter();
  const writer = new ParquetWriter({
    writer: bytes,
    schema,
    codec: "ZSTD",
    compressors: { ZSTD: (input) => Bun.zstdCompressSync(input) },
    createdBy: "payflow",
  });
  const pieces: Uint8Array[] = [];
  let rows: ExportRow[] = [];
  const takeBytes = () => {
    pieces.push(bytes.getBytes().slice());
    bytes.index = 0;
  };
  const writeGroup = () => {
    if (rows.length === 0) return;
    const group = rows;
    rows = [];
    const columnData = columns.map(({ element, value }) => ({ name: element.name, data: group.map(value) }));
    // Without a `flush` of the writer's this is done when it returns.
    writer.write({ columnData, rowGroupSize: groupRows });
    takeBytes();
  };
  return {
    add(row) {
      rows.push(row);
      if (rows.length >= groupRows) writeGroup();
    },
    finish() {
      writeGroup();
      writer.finish();
      takeBytes();
      return pieces;
    },
  };
}
