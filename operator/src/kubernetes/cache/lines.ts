const newline = 0x0a;

/**
 * The lines of a stream of bytes, each decoded as a whole: a character may be split between two chunks, but a
 * newline never is part of one. What has no newline at the end was cut off and is left out.
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let begun: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let from = 0;
    for (let to = chunk.indexOf(newline); to >= 0; to = chunk.indexOf(newline, from)) {
      const last = chunk.subarray(from, to);
      const line = begun.length === 0 ? last : Buffer.concat([...begun, last]);
      begun = [];
      from = to + 1;
      if (line.length > 0) yield decoder.decode(line);
    }
    if (from < chunk.length) begun.push(chunk.slice(from));
  }
}
