import { entryTimeMs } from "@payflow/service-kit/store/entry-id.ts";
import { type ExportRow, streamIdOf } from "../../row.ts";
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
      const line = lineOf(row);
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

/** What the entry says of the event, then the event's own fields as they are stored. */
function lineOf({ entry, event }: ExportRow): string {
  const head = JSON.stringify({
    stream_id: streamIdOf(entry),
    tenant_id: entry.tenantId,
    mode: entry.mode,
    sequence: entry.sequence,
    received_at: new Date(entryTimeMs(entry.id)).toISOString(),
  });
  // The stored text is such a body as a rule; a line must have no second one in it.
  const isLine = entry.event.startsWith('{"') && !entry.event.includes("\n");
  const body = isLine ? entry.event : JSON.stringify(event);
  return body === "{}" ? `${head}\n` : `${head.slice(0, -1)},${body.slice(1)}\n`;
}
