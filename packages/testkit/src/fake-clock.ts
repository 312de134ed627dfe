/** A clock that stands still until a test moves it; in milliseconds since 1970. */
export class FakeClock {
  #now: number;

  constructor(start: Date | string = "2026-01-01T00:00:00Z") {
    this.#now = new Date(start).getTime();
  }

  /** Bound, so that it can be handed over wherever `Date.now` could. */
  readonly now = (): number => this.#now;

  readonly date = (): Date => new Date(this.#now);

  advance(ms: number): void {
    if (ms < 0) throw new RangeError("A clock is only moved forward; use set() to go back.");
    this.#now += ms;
  }

  set(at: Date | string): void {
    this.#now = new Date(at).getTime();
  }
}
