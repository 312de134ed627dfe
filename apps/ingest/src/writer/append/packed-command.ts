import { Command } from "ioredis";

/** Commands are written one after the other, so that all share one buffer; a larger one is let go again. */
const scratchSize = 1024 * 1024;
const scratch = Buffer.allocUnsafeSlow(scratchSize);

/** A call of a script whose bytes are written beforehand, each text once. */
export class PackedCommand extends Command {
  readonly #bytes: Buffer;

  private constructor(sha: string, bytes: Buffer) {
    // What is sent are the bytes; the digest is what an error of ioredis's tells.
    super("evalsha", [sha], { replyEncoding: "utf8" });
    this.#bytes = bytes;
  }

  /** `EVALSHA` with its keys, one packed argument and texts, in Redis's protocol (RESP2). */
  static evalsha(
    sha: string,
    keys: readonly string[],
    packed: Buffer,
    texts: readonly string[],
  ): PackedCommand {
    const head = ["EVALSHA", sha, `${keys.length}`, ...keys].map(bulk).join("");
    const front = `*${4 + keys.length + texts.length}\r\n${head}$${packed.length}\r\n`;
    // A UTF-16 unit takes three bytes at most, and the length of a text its digits and three more.
    const room = 3 * front.length + packed.length + 2 + 16 * texts.length;
    const most = texts.reduce((sum, text) => sum + 3 * text.length, room);
    const isLarge = most > scratchSize;
    const bytes = isLarge
      ? Buffer.allocUnsafeSlow(texts.reduce((sum, text) => sum + Buffer.byteLength(text), room))
      : scratch;
    let at = bytes.write(front);
    at += packed.copy(bytes, at);
    at = lineEnd(bytes, at);
    for (const text of texts) at = writeText(bytes, at, text);
    const written = bytes.subarray(0, at);
    return new PackedCommand(sha, isLarge ? written : Buffer.from(written));
  }

  override toWritable(): Buffer {
    return this.#bytes;
  }
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** Writes a text at once with its length, which is known only afterwards, and rarely has more digits then. */
function writeText(bytes: Buffer, at: number, text: string): number {
  const guessed = decimals(text.length);
  const begin = at + guessed + 3;
  const length = bytes.write(text, begin);
  const more = decimals(length) - guessed;
  if (more > 0) bytes.copyWithin(begin + more, begin, begin + length);
  writeLength(bytes, at, length, guessed + more);
  return lineEnd(bytes, begin + more + length);
}

function decimals(value: number): number {
  return value < 10 ? 1 : value < 100 ? 2 : value < 1_000 ? 3 : value < 10_000 ? 4 : `${value}`.length;
}

function writeLength(bytes: Buffer, at: number, length: number, digits: number): void {
  bytes[at] = 0x24;
  let rest = length;
  for (let place = at + digits; place > at; place -= 1) {
    bytes[place] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  lineEnd(bytes, at + digits + 1);
}

function lineEnd(bytes: Buffer, at: number): number {
  bytes[at] = 0x0d;
  bytes[at + 1] = 0x0a;
  return at + 2;
}
