export interface EventuallyOptions {
  /** Given up after this long; 10,000 when left out. */
  readonly timeoutMs?: number;
  /** Pause between two tries; 20 when left out. */
  readonly everyMs?: number;
}

/**
 * Runs a check again and again until it neither throws nor answers `false`, and returns what it answered.
 * When time is up it throws what the last try threw.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false>> {
  const deadline = performance.now() + (options.timeoutMs ?? 10_000);
  for (;;) {
    let failure: unknown;
    try {
      const answer = await check();
      // The comparison beside it is what the narrower type says; the compiler does not follow it for a type
      // variable.
      if (answer !== false) return answer as Exclude<T, false>;
      failure = new Error(`Still false after ${options.timeoutMs ?? 10_000} ms: ${check}`);
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= deadline) throw failure;
    await Bun.sleep(options.everyMs ?? 20);
  }
}
