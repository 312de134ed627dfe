/** Writes the few kinds of MessagePack (msgpack.org) that the scripts read, into one buffer that grows. */
export class MessagePackWriter {
  #bytes = Buffer.allocUnsafe(64 * 1024);
  #length = 0;

  /** What was written since `clear`; valid until the next write. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** Begins a list; its elements follow. */
  list(length: number): void {
    const at = this.#room(5);
    this.#bytes[at] = 0xdd;
    this.#bytes.writeUInt32BE(length, at + 1);
    this.#length += 5;
  }

  /** A whole number from 0 to 2^32 - 1. */
  integer(value: number): void {
    const at = this.#room(5);
    this.#bytes[at] = 0xce;
    this.#bytes.writeUInt32BE(value, at + 1);
    this.#length += 5;
  }

  /** A text of at most 65,535 bytes. */
  text(value: string): void {
    // A UTF-16 unit takes three bytes at most.
    const at = this.#room(3 + 3 * value.length);
    const length = this.#bytes.write(value, at + 3);
    this.#bytes[at] = 0xda;
    this.#bytes[at + 1] = length >> 8;
    this.#bytes[at + 2] = length & 0xff;
    this.#length += 3 + length;
  }

  /** A byte string whose bytes the caller writes at the returned place of the returned buffer. */
  raw(length: number): { readonly bytes: Buffer; readonly at: number } {
    const at = this.#room(3 + length);
    this.#bytes[at] = 0xda;
    this.#bytes[at + 1] = length >> 8;
    this.#bytes[at + 2] = length & 0xff;
    this.#length += 3 + length;
    return { bytes: this.#bytes, at: at + 3 };
  }

  #room(length: number): number {
    if (this.#length + length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    return this.#length;
  }
}
