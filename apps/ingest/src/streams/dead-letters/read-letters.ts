import { DomainError } from "@payflow/contracts/errors.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import { orStreamsUnavailable, type StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import { type LetterResponse, type ListLettersQuery, toLetterResponse } from "./dead-letters.contract.ts";
import { findLetters } from "./find-letters.ts";
import { type LetterPosition, letterName, type Owner, readLetterName } from "./letter.ts";
import { LettersStore } from "./letters.store.ts";

export interface ReadLetters {
  readonly letters: LettersStore;
  readonly cursors: Cursors;
}

/** The dead letters in this Redis. */
export function openLetters(redis: StreamsRedis, keys: StreamKeys, partitions: number): LettersStore {
  return new LettersStore(redis, keys, partitions);
}

/** Letters looked at in one step, at the least, while those of one group are looked for. */
const leastOfGroup = 100;

/** The dead letters of an owner, newest first. */
export async function listLetters(
  deps: ReadLetters,
  owner: Owner,
  query: ListLettersQuery,
): Promise<Page<LetterResponse>> {
  const { limit = 20, cursor, group } = query;
  const list = owner === null ? "dead-letters" : `dead-letters/${owner.tenantId}/${owner.mode}`;
  const after = cursor === undefined ? undefined : positionOf(deps.cursors.decode(list, cursor));
  const count = limit + 1;
  const found = await orStreamsUnavailable(() =>
    findLetters(deps.letters, {
      owner,
      isNewestFirst: true,
      after,
      isWanted: (letter) => group === undefined || letter.group === group,
      count,
      chunk: group === undefined ? count : Math.max(count, leastOfGroup),
    }),
  );
  return toPage(found, limit, toLetterResponse, (last) => deps.cursors.encode(list, letterName(last)));
}

function positionOf(name: string): LetterPosition {
  const position = readLetterName(name);
  if (position === null) throw new DomainError("invalid_cursor");
  return position;
}
