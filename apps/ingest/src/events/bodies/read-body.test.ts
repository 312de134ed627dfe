import { describe, expect, test } from "bun:test";
import { constants, createGzip, createZstdCompress, gzipSync, zstdCompressSync } from "node:zlib";
import type { Encoding } from "./body-form.ts";
import { BytesInFlight } from "./bytes-in-flight.ts";
import { readBody } from "./read-body.ts";

const limit = 100_000;

/** What becomes of a body, and how many bytes of memory it was given at the most. */
async function read(
  body: Uint8Array | ReadableStream,
  encoding: Encoding,
  room = 10 * limit,
  announced = true,
) {
  const inFlight = new BytesInFlight(2 * room);
  const hold = inFlight.hold("ten_1");
  const request = new Request("http://localhost/", {
    method: "POST",
    body,
    headers: announced && body instanceof Uint8Array ? { "content-length": String(body.length) } : {},
  });
  const outcome = await Promise.try(readBody, request, encoding, limit, hold).then(
    (bytes) => Buffer.from(bytes),
    (error) => `${error.reason}: ${error.detail}`,
  );
  return { outcome, held: hold.bytes };
}

/** Data that goes through a compressor in pieces, so that no size is known in front. */
async function streamed(compressor: NodeJS.ReadWriteStream, bytes: Uint8Array): Promise<Buffer> {
  compressor.write(bytes.subarray(0, 100));
  compressor.write(bytes.subarray(100));
  compressor.end();
  const pieces: Buffer[] = [];
  for await (const piece of compressor) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

const content = Buffer.from("event ".repeat(10_000));

describe("a body", () => {
  test("is read as it is, or decompressed, announced or in pieces", async () => {
    const forms: [Uint8Array, Encoding][] = [
      [content, "identity"],
      [gzipSync(content), "gzip"],
      [Buffer.concat([gzipSync(content.subarray(0, 9)), gzipSync(content.subarray(9))]), "gzip"],
      [await streamed(createGzip(), content), "gzip"],
      [zstdCompressSync(content), "zstd"],
      [await streamed(createZstdCompress(), content), "zstd"],
      [Buffer.alloc(0), "gzip"],
    ];
    for (const [bytes, encoding] of forms) {
      const expected = bytes.length === 0 ? Buffer.alloc(0) : content;
      expect((await read(bytes, encoding)).outcome).toEqual(expected);
      expect((await read(bytes, encoding, 10 * limit, false)).outcome).toEqual(expected);
      const stream = new Blob([bytes]).stream();
      const { outcome, held } = await read(stream, encoding);
      expect(outcome).toEqual(expected);
      expect(held).toBe(bytes.length + (encoding === "identity" ? 0 : expected.length));
    }
  });

  test("over the limit is refused before it is read, while it is read, or while it unfolds", async () => {
    const large = Buffer.alloc(limit + 1, "x");
    const refused = `payload_too_large: The body may have at most ${limit} bytes`;
    expect(await read(large, "identity")).toEqual({ outcome: `${refused}.`, held: 0 });
    expect((await read(new Blob([large]).stream(), "identity")).outcome).toBe(`${refused}.`);
    const bomb = Buffer.alloc(64 * 2 ** 20);
    for (const [bytes, encoding] of [
      [gzipSync(bomb), "gzip"],
      [zstdCompressSync(bomb), "zstd"],
      [await streamed(createZstdCompress(), bomb), "zstd"],
      [gzipSync(large), "gzip"],
      [zstdCompressSync(large), "zstd"],
    ] as const) {
      const { outcome, held } = await read(bytes, encoding);
      expect(outcome).toBe(`${refused} decompressed.`);
      // Not more was let out than one piece over the limit.
      expect(held).toBeLessThanOrEqual(bytes.length + limit);
    }
  });

  test("with a wider window than RFC 9659 allows is refused before so much memory is taken", async () => {
    const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_enableLongDistanceMatching]: 1 };
    const wide = await streamed(createZstdCompress({ params }), content);
    expect((await read(wide, "zstd")).outcome).toContain("payload_too_large");
  });

  test("that finds no room is refused, sent or decompressed", async () => {
    const room = 20_000;
    expect((await read(content, "identity", room)).outcome).toContain("unavailable");
    expect((await read(new Blob([content]).stream(), "identity", room)).outcome).toContain("unavailable");
    for (const [bytes, encoding] of [
      [gzipSync(content), "gzip"],
      [zstdCompressSync(content), "zstd"],
    ] as const) {
      expect((await read(bytes, encoding, room)).outcome).toContain("unavailable");
    }
  });

  test.each<[string, Uint8Array, Encoding]>([
    ["no gzip", content, "gzip"],
    ["no zstd", content, "zstd"],
    ["gzip for zstd", gzipSync(content), "zstd"],
    ["zstd for gzip", zstdCompressSync(content), "gzip"],
    ["cut gzip", gzipSync(content).subarray(0, -1), "gzip"],
    ["cut zstd", zstdCompressSync(content).subarray(0, -1), "zstd"],
    ["something behind gzip", Buffer.concat([gzipSync(content), Buffer.from("{}")]), "gzip"],
    ["something behind zstd", Buffer.concat([zstdCompressSync(content), Buffer.from("{}")]), "zstd"],
    [
      "a wrong checksum",
      gzipSync(content).map((byte, index, all) => (index === all.length - 8 ? ~byte : byte)),
      "gzip",
    ],
  ])("of %s is refused as damaged", async (_, bytes, encoding) => {
    expect((await read(bytes, encoding)).outcome).toBe(`invalid_json: The body is not whole ${encoding}.`);
  });
});
