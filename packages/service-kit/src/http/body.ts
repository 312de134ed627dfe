import { DomainError } from "@payflow/contracts/errors.ts";

/** The default limit of a request's body: 256 KiB. */
export const defaultBodyLimit = 256 * 1024;

/**
 * The body as parsed JSON; undefined where there is none. Throws 415, 413 and `invalid_json`, in this order.
 */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  const length = request.headers.get("content-length");
  if (request.body === null || length === "0") return undefined;
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type))
    throw new DomainError("unsupported_media_type", "Send `Content-Type: application/json`.");
  const bytes = await readBytes(request, limit);
  if (bytes.length === 0) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (/\\ud[89a-f]/i.test(text)) JSON.parse(text, refuseHalfCharacters);
    return JSON.parse(text);
  } catch {
    throw new DomainError("invalid_json");
  }
}

/**
 * An escape of half a surrogate pair stands for no character: no store keeps it as it came, and jsonb refuses
 * it.
 */
function refuseHalfCharacters(name: string, value: unknown): unknown {
  if (!name.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) {
    throw new SyntaxError("half a character");
  }
  return value;
}

/** The body's bytes; 413 as soon as more than `limit` bytes are announced or seen. */
async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const announced = Number(request.headers.get("content-length") ?? Number.NaN);
  if (announced > limit) throw tooLarge(limit);
  if (announced <= limit) return new Uint8Array(await request.arrayBuffer());
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(limit: number): DomainError {
  return new DomainError("payload_too_large", `The body may have at most ${limit} bytes.`);
}
