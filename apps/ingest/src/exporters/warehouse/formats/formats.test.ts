import { expect, test } from "bun:test";
import type { StreamEntry } from "@payflow/service-kit/streams/entry.ts";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { PaymentExhaust } from "../../../events/event.ts";
import { readRow, UnreadableEvent } from "../../row.ts";
import { createEncoder, type FileFormat, fileFormats } from "./encoder.ts";

const entryOf = (sequence: number, event: unknown): StreamEntry => ({
  id: `1795262400123-${sequence}`,
  partition: 7,
  tenantId: "ten_1",
  mode: "live",
  merchant: "merchant",
  sequence,
  eventId: `id-${sequence}`,
  event: typeof event === "string" ? event : JSON.stringify(event),
});

const event = {
  event_type: "payment_failed",
  event_timestamp: "2026-11-21T17:30:00.123456789+05:30",
  event_id: 'quote " slash \\ emoji 🙂 line\u2028',
  merchant_id_hash: "merchant",
  payment_intent_id_hash: "intent",
  processor: "stripe",
  retry_count: 3,
  channel: "web",
};

function fileOf(format: FileFormat, entries: readonly StreamEntry[]): Uint8Array {
  const encoder = createEncoder(format);
  for (const entry of entries) encoder.add(readRow(entry));
  return new Uint8Array(Buffer.concat([...encoder.finish()]));
}

const buffer = (bytes: Uint8Array) => bytes.slice().buffer;
const readParquet = (bytes: Uint8Array) =>
  parquetReadObjects({
    file: buffer(bytes),
    compressors: { ZSTD: (input) => Bun.zstdDecompressSync(input) },
  });

test("a line of NDJSON has what the stream says of an event, then the event as it was stored", () => {
  const bytes = fileOf("ndjson", [
    entryOf(1, event),
    entryOf(2, {}),
    entryOf(3, ' { "channel":\n "web" }\n'),
  ]);
  const [first, second, third, end] = Buffer.from(Bun.zstdDecompressSync(bytes)).toString().split("\n");
  const head = { tenant_id: "ten_1", mode: "live", received_at: "2026-11-21T12:00:00.123Z" };
  expect(JSON.parse(first ?? "")).toEqual({
    stream_id: "7:1795262400123-1",
    ...head,
    sequence: 1,
    ...event,
  });
  expect(JSON.parse(second ?? "")).toEqual({ stream_id: "7:1795262400123-2", ...head, sequence: 2 });
  expect(JSON.parse(third ?? "")).toMatchObject({ sequence: 3, channel: "web" });
  expect(end).toBe("");
});

test("Parquet has a column of its own type for every field of an event, and null where there is none", async () => {
  const bytes = fileOf("parquet", [
    entryOf(1, event),
    entryOf(2, { ...event, retry_count: "x", channel: 5 }),
  ]);
  const [first, second] = await readParquet(bytes);
  expect(first).toEqual({
    stream_id: "7:1795262400123-1",
    tenant_id: "ten_1",
    mode: "live",
    sequence: 1n,
    received_at: new Date("2026-11-21T12:00:00.123Z"),
    ...Object.fromEntries(Object.keys(PaymentExhaust.properties).map((name) => [name, null])),
    ...event,
    event_timestamp: new Date("2026-11-21T12:00:00.123Z"),
  });
  expect(second).toMatchObject({ sequence: 2n, retry_count: null, channel: null, processor: "stripe" });
  const times = parquetMetadata(buffer(bytes)).schema.find((one) => one.name === "event_timestamp");
  expect(times).toMatchObject({ type: "INT64", converted_type: "TIMESTAMP_MICROS" });
});

test.each([...fileFormats])(
  "the same rows are the same bytes, and a large %s file loses none",
  async (format) => {
    const entries = Array.from({ length: 12_345 }, (_, index) => entryOf(index + 1, event));
    const bytes = fileOf(format, entries);
    expect(Buffer.compare(bytes, fileOf(format, entries))).toBe(0);
    const sequences =
      format === "parquet"
        ? (await readParquet(bytes)).map((row) => Number(row.sequence))
        : Buffer.from(Bun.zstdDecompressSync(bytes))
            .toString()
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line).sequence);
    expect(sequences).toEqual(entries.map((entry) => entry.sequence));
  },
);

test("numbers that no column holds are left out, and an entry without its own number is told", async () => {
  const bytes = fileOf("parquet", [entryOf(1, { ...event, retry_count: 2 ** 40 }), entryOf(2, event)]);
  expect((await readParquet(bytes)).map((row) => row.retry_count)).toEqual([null, 3]);
  expect(() => readRow(entryOf(Number.NaN, event))).toThrow(UnreadableEvent);
});

test.each(["", "{", "[]", "null", '"text"', "1", "{}x"])("an entry with %j for an event is told", (text) => {
  expect(() => readRow(entryOf(1, text))).toThrow(UnreadableEvent);
});
