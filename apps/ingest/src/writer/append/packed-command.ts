import { Command } from "ioredis";

/** A call of a script whose bytes are written beforehand, each text once. */
export class PackedCommand extends Command {
  readonly #bytes: Buffer;

  private constructor(args: string[], bytes: Buffer) {
    // The arguments tell ioredis the keys; what is sent are the bytes.
    super("evalsha", args, { replyEncoding: "utf8" });
    this.#bytes = bytes;
  }

  /** `EVALSHA` with its keys, one packed argument and texts, in Redis's protocol (RESP2). */
  static evalsha(
    sha: string,
    keys: readonly string[],
    packed: Buffer,
    texts: readonly string[],
  ): PackedCommand {
    const head = [
      `*${4 + keys.length + texts.length}\r\n`,
      ...["EVALSHA", sha, `${keys.length}`, ...keys].map(bulk),
    ];
    const front = `${head.join("")}$${packed.length}\r\n`;
    const lengths = texts.map((text) => Buffer.byteLength(text));
    let size = Buffer.byteLength(front) + packed.length + 2;
    for (const length of lengths) size += length + decimals(length) + 5;
    const bytes = Buffer.allocUnsafe(size);
    let at = bytes.write(front);
    at += packed.copy(bytes, at);
    at = lineEnd(bytes, at);
    for (const [index, text] of texts.entries()) {
      at = writeLength(bytes, at, lengths[index] ?? 0);
      at += bytes.write(text, at);
      at = lineEnd(bytes, at);
    }
    return new PackedCommand([sha, `${keys.length}`, ...keys], bytes);
  }

  override toWritable(): Buffer {
    return this.#bytes;
  }
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

function decimals(value: number): number {
  return value < 10 ? 1 : value < 100 ? 2 : value < 1_000 ? 3 : value < 10_000 ? 4 : `${value}`.length;
}

function writeLength(bytes: Buffer, from: number, value: number): number {
  let at = from;
  bytes[at++] = 0x24;
  let rest = value;
  const end = at + decimals(value);
  for (let digit = end - 1; digit >= at; digit -= 1) {
    bytes[digit] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return lineEnd(bytes, end);
}

function lineEnd(bytes: Buffer, at: number): number {
  bytes[at] = 0x0d;
  bytes[at + 1] = 0x0a;
  return at + 2;
}
