import { orStreamsUnavailable } from "@payflow/service-kit/streams/connect.ts";
import type { GroupRegistry } from "../registry.ts";
import type { RedriveBody } from "./dead-letters.contract.ts";
import { findLetters } from "./find-letters.ts";
import { compareLetters, type Letter, type Owner, readLetterName } from "./letter.ts";
import type { LettersStore } from "./letters.store.ts";

export interface RedriveLetters {
  readonly letters: LettersStore;
  readonly registry: GroupRegistry;
}

/** Letters of one request at most. */
const most = 1_000;

/**
 * Puts an owner's letters back at the end of their partitions, for the groups that failed them alone and in
 * their order: those named, or the oldest. Letters of others, and of groups that nobody reads for any more,
 * stay. Returns how many were put back.
 */
export function redriveLetters(deps: RedriveLetters, owner: Owner, body: RedriveBody): Promise<number> {
  return orStreamsUnavailable(async () => {
    const groups = (await deps.registry.list()).filter((one) => one.state === "active");
    const active = new Set(groups.map((one) => one.group));
    const isWanted = (letter: Letter) =>
      (owner === null || (letter.tenantId === owner.tenantId && letter.mode === owner.mode)) &&
      (body.group === undefined || letter.group === body.group) &&
      active.has(letter.group);
    const found =
      body.ids === undefined
        ? await findLetters(deps.letters, {
            owner,
            isNewestFirst: false,
            isWanted,
            count: body.limit ?? most,
            chunk: most,
          })
        : await named(deps, body.ids);
    let count = 0;
    for (const letter of found.filter(isWanted)) if (await deps.letters.redrive(letter)) count += 1;
    return count;
  });
}

async function named({ letters }: RedriveLetters, ids: readonly string[]): Promise<Letter[]> {
  const found: Letter[] = [];
  for (const id of new Set(ids)) {
    const position = readLetterName(id);
    const letter = position === null ? null : await letters.find(position);
    if (letter !== null) found.push(letter);
  }
  return found.sort(compareLetters);
}
