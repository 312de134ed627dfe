import type { Mode } from "@payflow/contracts/access.ts";
import { letterMember } from "@payflow/service-kit/streams/dead-letters.ts";

/** An event that a group could not handle. Field names are those of its entry, but for the group's own. */
export interface Letter {
  readonly partition: number;
  /** The id of its entry in the dead letters. */
  readonly letterId: string;
  readonly group: string;
  readonly reason: string;
  readonly tries: number;
  readonly firstFailedAt: string;
  readonly lastFailedAt: string;
  /** The id that it had as an entry of its partition. */
  readonly entryId: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly merchant: string;
  readonly sequence: number;
  readonly eventId: string;
  readonly event: string;
}

/** Whose letters are looked at: a tenant's in one mode, or everybody's. */
export type Owner = { readonly tenantId: string; readonly mode: Mode } | null;

/** Where a letter stands among those of all partitions: in order as text. */
export interface LetterPosition {
  readonly partition: number;
  readonly letterId: string;
}

/** The letter's name outside. */
export function letterName({ partition, letterId }: LetterPosition): string {
  return `${partition}:${letterId}`;
}

/** Reads a letter's name; null for a text that is none. */
export function readLetterName(name: string): LetterPosition | null {
  const [, partition, letterId] = /^(\d{1,4}):(\d{1,15}-\d{1,10})$/.exec(name) ?? [];
  return partition === undefined || letterId === undefined
    ? null
    : { partition: Number(partition), letterId };
}

/** Orders letters by their time, number and partition. */
export function compareLetters(left: LetterPosition, right: LetterPosition): number {
  const [leftMember, rightMember] = [letterMember(left.letterId), letterMember(right.letterId)];
  if (leftMember !== rightMember) return leftMember < rightMember ? -1 : 1;
  return left.partition - right.partition;
}
