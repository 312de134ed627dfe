import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { DomainError } from "@payflow/contracts/errors.ts";
import type { Encoding } from "./body-form.ts";
import type { Hold } from "./bytes-in-flight.ts";
import { zstdNeeds } from "./zstd-frames.ts";

/**
 * A body's bytes, decompressed. Throws `payload_too_large` as soon as more than `limit` bytes are
 * announced, read or decompressed, `unavailable` where `hold` has no room for them, and `invalid_json` for
 * a damaged encoding.
 */
export function readBody(
  request: Request,
  encoding: Encoding,
  limit: number,
  hold: Hold,
): Promise<Uint8Array> {
  const announced = Number(request.headers.get("content-length") ?? Number.NaN);
  if (announced > limit) throw tooLarge(limit, "");
  if (announced <= limit) hold.take(announced);
  const sent = announced <= limit ? request.bytes() : readPieces(request, limit, hold);
  if (encoding === "identity") return sent;
  return sent.then((bytes) => (bytes.length === 0 ? bytes : decompress(bytes, encoding, limit, hold)));
}

async function readPieces(request: Request, limit: number, hold: Hold): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of request.body ?? []) {
    size += piece.length;
    if (size > limit) throw tooLarge(limit, "");
    hold.take(piece.length);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const chunkSize = 64 * 1024;
/** The widest window that RFC 9659 lets a sender of HTTP use, as a power of two: 8 MiB. */
const maxWindowLog = 23;
const tooWide = new DomainError("payload_too_large", "A zstd frame may have a window of at most 8 MiB.");

/** Each piece that comes out is counted before the next one does, so that a bomb never unfolds. */
function decompress(
  sent: Uint8Array,
  encoding: "gzip" | "zstd",
  limit: number,
  hold: Hold,
): Promise<Uint8Array> {
  const damaged = new DomainError("invalid_json", `The body is not whole ${encoding}.`);
  const needs = encoding === "zstd" ? zstdNeeds(sent) : { content: 0, window: 0 };
  if (needs === null) return Promise.reject(damaged);
  if (needs.content > limit) return Promise.reject(tooLarge(limit, " decompressed"));
  if (needs.window > 2 ** maxWindowLog) return Promise.reject(tooWide);
  const stream =
    encoding === "gzip"
      ? createGunzip({ chunkSize })
      : createZstdDecompress({ chunkSize, params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog } });
  const pieces: Uint8Array[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    const refuse = (error: unknown) => {
      reject(error);
      stream.destroy();
    };
    stream.on("data", (piece: Uint8Array) => {
      size += piece.length;
      if (size > limit) return refuse(tooLarge(limit, " decompressed"));
      try {
        hold.take(piece.length);
        pieces.push(piece);
      } catch (error) {
        refuse(error);
      }
    });
    stream.on("end", () => resolve(Buffer.concat(pieces)));
    stream.on("error", () => reject(damaged));
    stream.end(sent);
  });
}

function tooLarge(limit: number, how: string): DomainError {
  return new DomainError("payload_too_large", `The body may have at most ${limit} bytes${how}.`);
}
