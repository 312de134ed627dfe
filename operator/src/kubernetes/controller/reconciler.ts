import type { Backoff } from "@payflow/service-kit/concurrency/retry.ts";

/** What a pass is given. */
export interface Pass {
  readonly key: string;
  /** Given when the pass must end: its time is over, or the process leads no longer. */
  readonly signal: AbortSignal;
}

/** How applying went. */
export type Applied<Outcome> =
  | { readonly isDone: true; readonly outcome: Outcome }
  | { readonly isDone: false; readonly error: unknown };

/** When to look again although nothing changed; the resync period where nothing is said. */
export interface Next {
  readonly afterMs?: number;
  /** What no watch tells of: it is looked at ever more seldom as long as the reason is the same. */
  readonly waiting?: { readonly reason: string; readonly backoff: Backoff };
}

/**
 * One pass over one object, in four steps. Each pass begins from what is there and not from what changed, so
 * that a pass may be missed, repeated or broken off anywhere.
 */
export interface Reconciler<Observed, Plan, Outcome> {
  /** Reads what there is; undefined when the object is gone and nothing is to be done. */
  observe(pass: Pass): Promise<Observed | undefined>;
  /** Says what is to be done. Reads and writes nothing, so that tests need no cluster. */
  decide(observed: Observed): Plan;
  /** Does it. What it throws is tried again with a growing delay, unless it is a `FinalError`. */
  apply(plan: Plan, observed: Observed, pass: Pass): Promise<Outcome>;
  /**
   * Writes down how it went, in the object's status; after a failure too, before it is tried again. What it
   * asks for then counts after a `FinalError` alone.
   */
  report(applied: Applied<Outcome>, observed: Observed, pass: Pass): Promise<Next | undefined>;
}

/** A failure that no repetition helps against: the object has to be changed first. */
export class FinalError extends Error {
  override readonly name: string = "FinalError";
}

/** A failure that may pass by itself, but not before that time is over. */
export class RetryLater extends Error {
  override readonly name: string = "RetryLater";
  readonly afterMs: number;

  constructor(message: string, afterMs: number, options?: ErrorOptions) {
    super(message, options);
    this.afterMs = afterMs;
  }
}
