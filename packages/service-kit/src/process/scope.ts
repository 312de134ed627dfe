import type { Logger } from "../telemetry/logging.ts";

/**
 * What a process has built and must close; closing goes in reverse order, and one failure does not stop the
 * rest.
 */
export class Scope {
  readonly #logger: Logger;
  readonly #closers: { readonly name: string; readonly close: () => unknown }[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Remembers how to close something. */
  defer(name: string, close: () => unknown): void {
    this.#closers.push({ name, close });
  }

  /** Remembers something that has a `close` of its own, and gives it back. */
  use<T extends { close(): unknown }>(name: string, resource: T): T {
    this.defer(name, () => resource.close());
    return resource;
  }

  /** Closes everything, the newest first. */
  async close(): Promise<void> {
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) {
      try {
        await closer.close();
      } catch (error) {
        this.#logger.warn({ err: error, what: closer.name }, "closing failed");
      }
    }
  }
}
