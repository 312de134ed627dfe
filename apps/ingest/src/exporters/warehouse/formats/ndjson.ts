import { rowText } from "../../row.ts";
import type { FileEncoder } from "./encoder.ts";

/** Characters of a frame before compression. One takes less than a millisecond of the event loop. */
const frameCharacters = 256 * 1024;

/**
 * One JSON object a line, compressed with zstd (RFC 8878) as frames one after the other, which readers take
 * for one text.
 */
export function createNdjsonEncoder(): FileEncoder {
  const frames: Uint8Array[] = [];
  let lines: string[] = [];
  let characters = 0;
  const compress = () => {
    if (lines.length === 0) return;
    frames.push(Bun.zstdCompressSync(lines.join("")));
    lines = [];
    characters = 0;
  };
  return {
    add(row) {
      const line = `${rowText(row)}\n`;
      lines.push(line);
      characters += line.length;
      if (characters >= frameCharacters) compress();
    },
    finish() {
      compress();
      return frames;
    },
  };
}
