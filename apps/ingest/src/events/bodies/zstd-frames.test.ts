import { expect, test } from "bun:test";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { zstdNeeds } from "./zstd-frames.ts";

const frame = fc
  .tuple(fc.uint8Array({ maxLength: 5_000 }), fc.boolean(), fc.boolean(), fc.integer({ min: 1, max: 19 }))
  .map(([content, hasChecksum, hasSize, level]) => ({
    content,
    bytes: zstdCompressSync(content, {
      params: {
        [constants.ZSTD_c_checksumFlag]: hasChecksum ? 1 : 0,
        [constants.ZSTD_c_contentSizeFlag]: hasSize ? 1 : 0,
        [constants.ZSTD_c_compressionLevel]: level,
      },
    }),
  }));
/** What a reader passes over. */
const skippable = fc.uint8Array({ maxLength: 20 }).map((content) => {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a53, 0);
  header.writeUInt32LE(content.length, 4);
  return { content: new Uint8Array(), bytes: Buffer.concat([header, content]) };
});
const frames = fc.array(fc.oneof({ weight: 4, arbitrary: frame }, skippable), { minLength: 1, maxLength: 4 });

test("whole frames are known as such, and need at least what they hold", () => {
  fc.assert(
    fc.property(frames, (some) => {
      const content = Buffer.concat(some.map((one) => one.content));
      const bytes = Buffer.concat(some.map((one) => one.bytes));
      const needs = zstdNeeds(bytes);
      expect(needs).not.toBeNull();
      expect(needs?.content).toBeLessThanOrEqual(content.length);
      expect(needs?.window).toBeLessThanOrEqual(8 * 2 ** 20);
      if (bytes.readUInt32LE(0) === 0xfd2fb528) expect(zstdDecompressSync(bytes)).toEqual(content);
    }),
  );
});

test("a cut frame, and one with something behind it, is not whole", () => {
  fc.assert(
    fc.property(frame, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 9 }), ({ bytes }, seed, behind) => {
      expect(zstdNeeds(bytes.subarray(0, seed % bytes.length))).toBeNull();
      expect(
        zstdNeeds(Buffer.concat([bytes, bytes.subarray(0, 1 + (seed % (bytes.length - 1)))])),
      ).toBeNull();
      expect(zstdNeeds(Buffer.concat([bytes, behind]))).toBeNull();
    }),
  );
  expect(zstdNeeds(Buffer.from("no frame at all"))).toBeNull();
});

test("what is announced counts before anything is decompressed", () => {
  const size = 64 * 2 ** 20;
  expect(zstdNeeds(zstdCompressSync(Buffer.alloc(size)))?.content).toBe(size);
  // Frame header: magic, a descriptor with neither size nor dictionary, a window of 128 MiB; an empty block.
  expect(zstdNeeds(Buffer.from("28b52ffd0088010000", "hex"))).toEqual({ content: 0, window: 2 ** 27 });
});

test("thousands of empty frames are not read", () => {
  const one = zstdCompressSync("");
  expect(zstdNeeds(Buffer.concat(Array.from({ length: 1_000 }, () => one)))).not.toBeNull();
  expect(zstdNeeds(Buffer.concat(Array.from({ length: 1_001 }, () => one)))).toBeNull();
});
