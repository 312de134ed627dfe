import type { Letter, LetterPosition, Owner } from "./letter.ts";
import type { LettersStore } from "./letters.store.ts";

/** Which letters are looked for, and how. */
export interface LetterSearch {
  readonly owner: Owner;
  readonly isNewestFirst: boolean;
  /** Beyond this one; from the first when left out. */
  readonly after?: LetterPosition | undefined;
  readonly isWanted: (letter: Letter) => boolean;
  /** Letters found at most. */
  readonly count: number;
  /** Letters looked at in one step. */
  readonly chunk: number;
}

/** Finds letters over all partitions, in order, however many others stand between them. */
export async function findLetters(letters: LettersStore, search: LetterSearch): Promise<Letter[]> {
  const { owner, isNewestFirst, isWanted, count, chunk } = search;
  const found: Letter[] = [];
  for (let { after } = search; ; ) {
    // Each partition gave up to `chunk`, so that the first `chunk` of all are the next ones.
    const part = (await letters.list({ owner, count: chunk, after }, isNewestFirst)).slice(0, chunk);
    found.push(...part.filter(isWanted));
    after = part.at(-1);
    if (found.length >= count || part.length < chunk || after === undefined) return found.slice(0, count);
  }
}
