/** Looks again and again until it holds; throws after two minutes. */
export async function until(
  what: string,
  holds: () => Promise<boolean> | boolean,
  everyMs = 20,
): Promise<void> {
  for (const end = performance.now() + 120_000; !(await holds()); await Bun.sleep(everyMs)) {
    if (performance.now() > end) throw new Error(`${what}: not within two minutes`);
  }
}
