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

/** How long a call to the processor is at work. */
export interface CallTime {
  /** Its caller waits this long for the answer; what was not sent by then never is. */
  readonly timeoutMs: number;
  /** What was sent in time may still take this much longer to have its effect. */
  readonly lingerMs: number;
}

/**
 * The instant after which a call that begins now must not be sent any more; null when its effect could come
 * once the row is no longer held, so that it must not begin at all. On this process's monotonic clock. Told
 * here and not where it is sent, so that a process that is frozen in between finds it past.
 */
export function sendUntil(hold: Hold, call: CallTime, now = performance.now()): number | null {
  return hold.endsAt - now > call.timeoutMs + call.lingerMs ? now + call.timeoutMs : null;
}
