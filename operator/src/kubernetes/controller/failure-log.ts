import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";

interface Known {
  readonly reason: string;
  /** Failures in a row, told or not. */
  readonly count: number;
}

/**
 * Tells of an object's first failure, of each change of its reason, and that it went well again. What fails
 * in the same way all the time is for the metric to count and for the object's status to show.
 */
export class FailureLog {
  readonly #logger: Logger;
  readonly #known = new Map<string, Known>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  failed(key: string, error: unknown): void {
    const reason = reasonOf(error);
    const { reason: before, count = 0 } = this.#known.get(key) ?? {};
    this.#known.set(key, { reason, count: count + 1 });
    if (reason === before) return;
    this.#logger.warn({ err: error, key, failures: count + 1 }, "a pass failed; told again if it changes");
  }

  wentWell(key: string): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    this.#known.delete(key);
    this.#logger.info({ key, failures: known.count }, "a pass went well again");
  }

  /** The object is gone, and nobody waits for the end of its failures. */
  forget(key: string): void {
    this.#known.delete(key);
  }
}

/** What stays the same from one try to the next: errors may have a word for programs, others their text. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const { name, message } = error;
  const said = "reason" in error && typeof error.reason === "string" ? error.reason : undefined;
  return `${name} ${said ?? message.replace(/\d+/g, "0")}`;
}
