/**
 * How many of `count` parts a member takes, so that all members together have each once. Where it does not
 * come out even, the first members by name have one more; `rotation` lets others be the first.
 */
export function evenShare(count: number, members: readonly string[], member: string, rotation = 0): number {
  if (members.length === 0) return count;
  const rank = ([...members].sort().indexOf(member) + rotation) % members.length;
  return Math.floor(count / members.length) + (rank < count % members.length ? 1 : 0);
}
