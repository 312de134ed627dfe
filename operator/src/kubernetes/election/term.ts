import type { FencingToken } from "./lease-record.ts";

/** What a write is refused with after its term. */
export class TermOver extends Error {
  override readonly name = "TermOver";
}

/** The time in which this process leads. */
export class Term {
  readonly token: FencingToken;
  readonly #ending = new AbortController();
  readonly #now: () => number;
  #until: number;
  #timer: Timer | undefined;

  constructor(token: FencingToken, until: number, now: () => number) {
    this.token = token;
    this.#until = until;
    this.#now = now;
    this.#arm();
  }

  /** Given when the term is over. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /**
   * Throws `TermOver` once the term is over. Asked right before each write, since a process that was paused
   * may come to it before its timer tells.
   */
  readonly check = (): void => {
    if (this.isHeld()) return;
    this.end("the lease could not be renewed in time");
    throw new TermOver("this process leads no longer");
  };

  isHeld(): boolean {
    return !this.signal.aborted && this.#now() < this.#until;
  }

  /** The lease was renewed by a request that was sent when this much was left. */
  extend(until: number): void {
    // What was paused for too long may not come back: others may have led meanwhile.
    if (!this.isHeld()) {
      this.end("the lease was renewed too late");
      return;
    }
    this.#until = until;
    this.#arm();
  }

  end(reason: string): void {
    clearTimeout(this.#timer);
    this.#ending.abort(new TermOver(reason));
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const end = () => this.end("the lease could not be renewed in time");
    this.#timer = setTimeout(end, Math.max(0, this.#until - this.#now()));
  }
}
