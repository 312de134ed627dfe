/** A partition whose lease this replica holds. */
export interface Held {
  readonly partition: number;
  readonly fence: number;
  /** The last entry that is finished here; what Redis has stored may be behind. */
  position: string;
  entriesRead: number;
  isStored: boolean;
  isLeaving: boolean;
  /** Present while the partition is worked on apart from the others, after a failure. */
  apart: AbortController | null;
}

/** What the lease script says of a partition. */
export interface Holding {
  readonly partition: number;
  readonly fence: number;
  readonly position: string;
  readonly entriesRead: number;
}
