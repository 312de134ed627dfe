import { DomainError } from "@payflow/contracts/errors.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import { orStreamsUnavailable, type StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import { type LetterResponse, type ListLettersQuery, toLetterResponse } from "./dead-letters.contract.ts";
import { type Letter, type LetterPosition, letterName, type Owner, readLetterName } from "./letter.ts";
import { LettersStore } from "./letters.store.ts";

export interface ReadLetters {
  readonly letters: LettersStore;
  readonly cursors: Cursors;
}

/** The dead letters in this Redis. */
export function openLetters(redis: StreamsRedis, keys: StreamKeys, partitions: number): LettersStore {
  return new LettersStore(redis, keys, partitions);
}

/** Letters read at once while those of one group are looked for. */
const chunk = 100;

/** The dead letters of an owner, newest first. */
export async function listLetters(
  deps: ReadLetters,
  owner: Owner,
  query: ListLettersQuery,
): Promise<Page<LetterResponse>> {
  const { limit = 20, cursor, group } = query;
  const list = owner === null ? "dead-letters" : `dead-letters/${owner.tenantId}/${owner.mode}`;
  const after = cursor === undefined ? undefined : positionOf(deps.cursors.decode(list, cursor));
  const found = await orStreamsUnavailable(() => newestOf(deps.letters, owner, group, limit + 1, after));
  return toPage(found, limit, toLetterResponse, (last) => deps.cursors.encode(list, letterName(last)));
}

function positionOf(name: string): LetterPosition {
  const position = readLetterName(name);
  if (position === null) throw new DomainError("invalid_cursor");
  return position;
}

async function newestOf(
  letters: LettersStore,
  owner: Owner,
  group: string | undefined,
  count: number,
  first: LetterPosition | undefined,
): Promise<Letter[]> {
  const found: Letter[] = [];
  const size = group === undefined ? count : Math.max(count, chunk);
  for (let after = first; ; ) {
    const range = after === undefined ? { owner, count: size } : { owner, count: size, after };
    // Each partition gave up to `size`, so that the first `size` of all are the next ones.
    const part = (await letters.list(range, true)).slice(0, size);
    found.push(...part.filter((letter) => group === undefined || letter.group === group));
    after = part.at(-1);
    if (found.length >= count || part.length < size || after === undefined) return found.slice(0, count);
  }
}
