/** New keys of one tenant: so many at once, and one more in so long. */
const burst = 20;
const gapMs = 30_000;

/**
 * How fast tenants are given new keys. Each one leaves a row for good, so that a program which overwrites a
 * Secret all the time, or asks for rotations in a loop, must not get them as fast as it goes.
 */
export class KeyPace {
  /** When a tenant may have as many at once again as ever, by its uid; who took last stands last. */
  readonly #wholeAt = new Map<string, number>();

  /** Whether the tenant may have another one now, by a clock that is never set back; if so it has it. */
  take(uid: string, nowMs: number): boolean {
    const wholeAt = Math.max(this.#wholeAt.get(uid) ?? nowMs, nowMs) + gapMs;
    if (wholeAt > nowMs + burst * gapMs) return false;
    this.#wholeAt.delete(uid);
    this.#wholeAt.set(uid, wholeAt);
    for (const [oldest, at] of this.#wholeAt) {
      if (at > nowMs) break;
      this.#wholeAt.delete(oldest);
    }
    return true;
  }
}
