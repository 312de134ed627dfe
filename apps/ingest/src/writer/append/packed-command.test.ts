import { expect, test } from "bun:test";
import { PackedCommand } from "./packed-command.ts";

const sha = "0123456789abcdef0123456789abcdef01234567";
const keys = ["payflow:ing:{0}:events", "payflow:ing:{1}:events"];

/** The same call, written in the plainest way. */
function plain(packed: Buffer, texts: readonly string[]): Buffer {
  const words = ["EVALSHA", sha, `${keys.length}`, ...keys].map((word) => Buffer.from(word));
  const all = [...words, packed, ...texts.map((text) => Buffer.from(text))];
  const parts = all.flatMap((one) => [Buffer.from(`$${one.length}\r\n`), one, Buffer.from("\r\n")]);
  return Buffer.concat([Buffer.from(`*${all.length}\r\n`), ...parts]);
}

function written(packed: Buffer, texts: readonly string[]): Buffer {
  return PackedCommand.evalsha(sha, keys, packed, texts).toWritable();
}

const packed = Buffer.from([0x24, 0x0d, 0x0a, 0x00, 0xff]);

test("texts whose length in bytes has more digits than that in characters keep their bytes and lengths", () => {
  const texts = [
    "",
    "a",
    "é".repeat(5),
    "é".repeat(50),
    "漢".repeat(400),
    "😀".repeat(300),
    "\ud800".repeat(4),
  ];
  expect(written(packed, texts)).toEqual(plain(packed, texts));
  for (let length = 1; length <= 1_100; length += 1) {
    const text = `${"x".repeat(length % 7)}${"é".repeat(length)}`;
    expect(written(packed, [text, "after"])).toEqual(plain(packed, [text, "after"]));
  }
});

test("a call may be larger than the buffer that calls share, and leaves that one as it was", () => {
  const small = written(packed, ["first"]);
  const texts = Array.from({ length: 30 }, (_, index) => `${index}${"é".repeat(30_000)}`);
  expect(written(packed, texts).equals(plain(packed, texts))).toBe(true);
  expect(small).toEqual(plain(packed, ["first"]));
});
