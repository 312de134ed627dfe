import { unavailable } from "@payflow/contracts/errors.ts";
import { problemResponse } from "./problem.ts";
import { type RequestFacts, requestFacts } from "./request.ts";

/** A request that waits for its answer. */
interface Waiting {
  readonly facts: RequestFacts;
  readonly dueMs: number;
  readonly resolve: (answer: Response) => void;
}

/**
 * Answers 503 `unavailable` for what is not answered in time; what was begun then goes on unheard. All wait
 * equally long, so that the oldest is due first, and one timer serves all.
 */
export class LateAnswers {
  readonly #limitMs: number;
  readonly #waiting = new Set<Waiting>();
  #isTimed = false;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Begins to wait; to be ended by `end` before the answer is given to `resolve`. */
  begin(facts: RequestFacts, resolve: (answer: Response) => void): Waiting {
    const waiting = { facts, dueMs: performance.now() + this.#limitMs, resolve };
    this.#waiting.add(waiting);
    if (!this.#isTimed) this.#sweepIn(this.#limitMs);
    return waiting;
  }

  end(waiting: Waiting): void {
    this.#waiting.delete(waiting);
  }

  /** Passes an answer on, or 503 when it is late. */
  pass(request: Request, answer: Response | Promise<Response>): Response | Promise<Response> {
    if (answer instanceof Response) return answer;
    return new Promise((resolve, reject) => {
      const waiting = this.begin(requestFacts(request), resolve);
      answer.then(
        (response) => {
          this.end(waiting);
          resolve(response);
        },
        (error: unknown) => {
          this.end(waiting);
          reject(error);
        },
      );
    });
  }

  #sweepIn(ms: number): void {
    this.#isTimed = true;
    setTimeout(() => this.#sweep(), ms).unref();
  }

  #sweep(): void {
    this.#isTimed = false;
    const nowMs = performance.now();
    for (const waiting of this.#waiting) {
      if (waiting.dueMs > nowMs) {
        this.#sweepIn(waiting.dueMs - nowMs);
        return;
      }
      this.#waiting.delete(waiting);
      const { requestId, headers } = waiting.facts;
      waiting.resolve(problemResponse(unavailable("A store of the platform"), requestId, headers));
    }
  }
}
