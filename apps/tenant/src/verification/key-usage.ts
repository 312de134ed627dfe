import { pause } from "@payflow/service-kit/concurrency/retry.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { currentValue, type KeySecrets } from "../api-keys/stored-value.ts";
import type { KeyCacheStore } from "./key-cache.store.ts";
import type { VerificationStore } from "./verification.store.ts";

export interface KeyUsageOptions {
  readonly verification: Pick<VerificationStore, "markUsed" | "nowMs" | "restamp">;
  readonly keyCache: Pick<KeyCacheStore, "takeUsed">;
  readonly secrets: KeySecrets;
  readonly logger: Logger;
  readonly flushMs: number;
}

/** Notes beyond this many are passed over until the next flush. */
const maxNotes = 50_000;

/**
 * Writes down in batches when keys were last used: by the marks services leave in the cache Redis, and by the
 * questions asked here. Values under an older secret are carried over to the current one on the way.
 */
export class KeyUsage {
  readonly #options: KeyUsageOptions;
  readonly #used = new Set<string>();
  readonly #oldSecrets = new Map<string, string>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: KeyUsageOptions) {
    this.#options = options;
  }

  noteUse(keyId: string): void {
    if (this.#used.size < maxNotes) this.#used.add(keyId);
  }

  /** A value that stands under an older secret, with the SHA-256 of its key in hex. */
  noteOldSecret(storedValue: string, keySha256: string): void {
    if (this.#oldSecrets.size < maxNotes) this.#oldSecrets.set(storedValue, keySha256);
  }

  start(): void {
    this.#running ??= this.#run(this.#stop.signal);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.flush().catch(() => {});
  }

  /** Writes down what was noted until now. */
  async flush(): Promise<void> {
    const { verification, keyCache, secrets } = this.#options;
    const used = [...this.#used];
    this.#used.clear();
    if (used.length > 0) {
      const nowMs = await verification.nowMs();
      await verification.markUsed(new Map(used.map((keyId) => [keyId, nowMs])));
    }
    const old = [...this.#oldSecrets];
    this.#oldSecrets.clear();
    await verification.restamp(
      old.map(([from, keySha256]) => {
        const { storedValue, secretVersion } = currentValue(secrets, keySha256);
        return { from, to: storedValue, secretVersion };
      }),
    );
    for (let size = 1; size > 0; ) {
      const marks = await keyCache.takeUsed();
      await verification.markUsed(marks);
      size = marks.size;
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#options.flushMs, signal);
      // What is lost with a store that is away is a time of last use, which the next use tells again.
      await this.flush().catch((error) =>
        this.#options.logger.debug({ err: error }, "times of use were lost"),
      );
    }
  }
}
