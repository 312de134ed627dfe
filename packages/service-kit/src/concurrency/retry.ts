export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
  /** Attempts at most; for ever when left out. */
  readonly attempts?: number;
}

/**
 * Full-jitter exponential back-off (Brooker, "Exponential Backoff And Jitter"): wait before the given retry,
 * from 1.
 */
export function backoffMs(backoff: Backoff, retry: number, random = Math.random): number {
  const ceiling = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(retry - 1, 30));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}

/** Waits; resolves early when the signal is given. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** Runs until it succeeds, as long as `shouldRetry` says the error may pass; the last error is thrown. */
export async function retry<T>(
  run: (attempt: number) => Promise<T>,
  shouldRetry: (error: unknown) => boolean,
  backoff: Backoff,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run(attempt);
    } catch (error) {
      const isLast = backoff.attempts !== undefined && attempt >= backoff.attempts;
      if (isLast || signal?.aborted || !shouldRetry(error)) throw error;
      await pause(backoffMs(backoff, attempt), signal);
    }
  }
}
