import type { GroupRegistry } from "../registry.ts";
import type { UpkeepStore } from "./upkeep.store.ts";

export interface TrimStreams {
  readonly registry: GroupRegistry;
  readonly store: UpkeepStore;
  readonly partitions: number;
}

/** Entries one call removes at most, so that Redis is never held up for long. */
const step = 5_000;

/**
 * Removes what every registered group has acknowledged, but keeps entries for `keptMs` from their arrival,
 * and lets groups go that have drained. Returns how many entries it removed.
 */
export async function trimStreams(deps: TrimStreams, keptMs: number, signal: AbortSignal): Promise<number> {
  const groups = await deps.registry.list();
  const drainedIn = new Map<string, number>();
  let total = 0;
  for (let partition = 0; partition < deps.partitions; partition += 1) {
    const waited = groups.map(({ group, until }) => ({ group, until: until?.[partition] ?? null }));
    for (let removed = 1; removed > 0 && !signal.aborted; ) {
      const trimmed = await deps.store.trim(partition, waited, keptMs, step);
      removed = trimmed.removed;
      total += removed;
      if (removed > 0) continue;
      for (const group of trimmed.drained) drainedIn.set(group, (drainedIn.get(group) ?? 0) + 1);
    }
  }
  for (const one of groups) {
    if (drainedIn.get(one.group) === deps.partitions) await deps.registry.release(one);
  }
  return total;
}

/** Removes old dead letters; returns how many. */
export async function trimLetters(deps: TrimStreams, keptMs: number, signal: AbortSignal): Promise<number> {
  let total = 0;
  for (let partition = 0; partition < deps.partitions; partition += 1) {
    for (let removed = 1; removed > 0 && !signal.aborted; total += removed) {
      removed = await deps.store.trimLetters(partition, keptMs, 500);
    }
  }
  return total;
}
