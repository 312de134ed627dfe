/** Those who wait: each caller's in the order of arrival, and the callers in turn. */
export class WaitingLine<T> {
  readonly #callers = new Map<string, T[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(caller: string, one: T): void {
    const line = this.#callers.get(caller);
    if (line === undefined) this.#callers.set(caller, [one]);
    else line.push(one);
    this.#size += 1;
  }

  /** Takes one of each caller in turn, up to so many and so much together; the first whatever it weighs. */
  take(count: number, weight: number, weigh: (one: T) => number): T[] {
    const taken: T[] = [];
    let left = weight;
    const fits = (one: T) => {
      if (taken.length >= count) return false;
      left -= weigh(one);
      return left >= 0 || taken.length === 0;
    };
    for (const [caller, line] of this.#callers) {
      const isAlone = this.#callers.size === 1;
      const next = isAlone ? line : line.slice(0, 1);
      const full = next.findIndex((one) => {
        if (!fits(one)) return true;
        taken.push(one);
        return false;
      });
      line.splice(0, full === -1 ? next.length : full);
      if (full !== 0) this.#callers.delete(caller);
      // Behind the others, where the loop comes by again.
      if (full !== 0 && line.length > 0) this.#callers.set(caller, line);
      if (full !== -1) break;
    }
    this.#size -= taken.length;
    return taken;
  }
}
