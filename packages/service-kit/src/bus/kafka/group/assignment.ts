/** What a member of a group says when it joins. */
export interface MemberClaim {
  readonly memberId: string;
  readonly topics: readonly string[];
  /** Partitions it reads at this moment. */
  readonly owned: ReadonlyMap<string, readonly number[]>;
  readonly generation: number;
}

/** Topic -> partitions. */
export type Assignment = Map<string, number[]>;

/**
 * Divides each topic's partitions evenly, moving as few as possible. A partition that has to move is nobody's
 * at first: its reader finishes its batch and joins again, and the next division gives it away (the
 * cooperative protocol of KIP-429). So no partition has two readers, and the others are read on meanwhile.
 */
export function assignPartitions(
  members: readonly MemberClaim[],
  counts: ReadonlyMap<string, number>,
): Map<string, Assignment> {
  const assignments = new Map<string, Assignment>();
  for (const { memberId } of members) assignments.set(memberId, new Map());
  for (const [index, topic] of [...counts.keys()].sort().entries()) {
    const readers = members.filter(({ topics }) => topics.includes(topic));
    if (readers.length === 0) continue;
    const divided = divide(readers, topic, counts.get(topic) ?? 0, index);
    for (const [memberId, partitions] of divided) assignments.get(memberId)?.set(topic, partitions);
  }
  return assignments;
}

function divide(
  readers: readonly MemberClaim[],
  topic: string,
  count: number,
  turn: number,
): Map<string, number[]> {
  const owners = ownersOf(readers, topic, count);
  const ownedBy = (memberId: string) => [...owners].filter(([, owner]) => owner === memberId).map(([p]) => p);
  const ids = readers.map(({ memberId }) => memberId).sort();
  // Who has more keeps it; among equals the topics take turns, so that none gets the odd one of each.
  const ranked = ids
    .map((memberId, at) => ({ memberId, owned: ownedBy(memberId), rank: (at + turn) % ids.length }))
    .sort((left, right) => right.owned.length - left.owned.length || left.rank - right.rank);
  const free = Array.from({ length: count }, (_, partition) => partition).filter((p) => !owners.has(p));
  const divided = new Map<string, number[]>();
  for (const [at, { memberId, owned }] of ranked.entries()) {
    const quota = Math.floor(count / ids.length) + (at < count % ids.length ? 1 : 0);
    const kept = owned.sort((left, right) => left - right).slice(0, quota);
    divided.set(memberId, [...kept, ...free.splice(0, quota - kept.length)]);
  }
  return divided;
}

/** Who reads each partition now. Of two who say so, the one with the later generation is right. */
function ownersOf(readers: readonly MemberClaim[], topic: string, count: number): Map<number, string> {
  const owners = new Map<number, MemberClaim>();
  for (const reader of readers) {
    for (const partition of reader.owned.get(topic) ?? []) {
      const other = owners.get(partition);
      if (partition >= count || (other !== undefined && other.generation >= reader.generation)) continue;
      owners.set(partition, reader);
    }
  }
  return new Map([...owners].map(([partition, { memberId }]) => [partition, memberId]));
}
