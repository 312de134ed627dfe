/** Looks again and again until it holds; throws after two minutes unless told to wait longer. */
export async function until(
  what: string,
  holds: () => Promise<boolean> | boolean,
  everyMs = 20,
  forMs = 120_000,
): Promise<void> {
  for (const end = performance.now() + forMs; !(await holds()); await Bun.sleep(everyMs)) {
    if (performance.now() > end) throw new Error(`${what}: not within ${forMs / 1_000} s`);
  }
}
