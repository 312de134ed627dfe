import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { ClusterAccess, Credentials } from "./cluster-access.ts";

/** client-go's choice for token files is a minute; certificates and kubeconfigs are as cheap to look at. */
const keptMs = 10_000;

/** Credentials that are read again every ten seconds and after a refusal. */
export class FreshCredentials {
  readonly #access: ClusterAccess;
  readonly #logger: Logger;
  readonly #now: () => number;
  #known: Credentials | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<Credentials> | undefined;

  constructor(access: ClusterAccess, logger: Logger, now: () => number = () => performance.now()) {
    this.#access = access;
    this.#logger = logger;
    this.#now = now;
  }

  /** Those to use now. While files cannot be read, what they held before; throws if they never could be. */
  get(): Promise<Credentials> {
    if (this.#known !== undefined && this.#now() - this.#readAt < keptMs) return Promise.resolve(this.#known);
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /** Reads again; whether what had been refused (these) has changed since. */
  async renewedSince(refused: Credentials): Promise<boolean> {
    this.#readAt = Number.NEGATIVE_INFINITY;
    const now = await this.get();
    return JSON.stringify(now) !== JSON.stringify(refused);
  }

  async #read(): Promise<Credentials> {
    try {
      const read = await this.#access.read();
      // The same object for the same content, so that a connection is found again by it.
      if (JSON.stringify(read) !== JSON.stringify(this.#known)) this.#known = read;
    } catch (error) {
      if (this.#known === undefined) throw error;
      this.#logger.warn({ err: error }, "the cluster's credentials could not be read again");
    }
    this.#readAt = this.#now();
    // Read just now, or known from before; otherwise this was thrown.
    return this.#known as Credentials;
  }
}
