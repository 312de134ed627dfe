/** The right to work on an open row until its lease is over, known by the row's fence. */
export interface Hold {
  readonly fence: number;
  /** On this process's monotonic clock, never later than the store's own end of the lease. */
  readonly endsAt: number;
}

/**
 * A hold that was asked for at `askedAt` (from `performance.now()`, read before the statement was sent). The
 * store counts from a later moment, so that this end is the earlier one, whatever either wall clock does.
 */
export function holdFrom(askedAt: number, fence: number, leaseMs: number): Hold {
  return { fence, endsAt: askedAt + leaseMs };
}

/** Whether a call that ends within `deadlineMs` ends while the row is still held. */
export function hasTimeFor(hold: Hold, deadlineMs: number, now = performance.now()): boolean {
  return hold.endsAt - now > deadlineMs;
}
