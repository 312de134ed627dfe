import { expect, test } from "bun:test";
import { linesOf } from "./lines.ts";

const text = '{"name":"größer"}\n{"name":"支払い 💸"}\n\n{"cut":"off';

async function* inPieces(size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

test("lines are whole however the bytes are split, and what was cut off is left out", async () => {
  for (const size of [1, 2, 3, 5, 7, 1_000]) {
    const lines = await Array.fromAsync(linesOf(inPieces(size)));
    expect(lines).toEqual(['{"name":"größer"}', '{"name":"支払い 💸"}']);
  }
});
