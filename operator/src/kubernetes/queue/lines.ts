/**
 * Keys that stand in line, those of each namespace in a line of its own in the order of their coming.
 * Namespaces take turns, so that one with ten thousand keys keeps no other's waiting.
 */
export class Lines {
  /** By namespace, the next to have its turn first; in each the time at which a key came. */
  readonly #lines = new Map<string, Map<string, number>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(key: string): boolean {
    return this.#lines.get(namespaceOf(key))?.has(key) === true;
  }

  /** Not for a key that stands in line already. */
  add(key: string, now: number): void {
    const namespace = namespaceOf(key);
    const line = this.#lines.get(namespace) ?? new Map<string, number>();
    this.#lines.set(namespace, line.set(key, now));
    this.#size += 1;
  }

  remove(key: string): void {
    const namespace = namespaceOf(key);
    const line = this.#lines.get(namespace);
    if (line?.delete(key) !== true) return;
    this.#size -= 1;
    if (line.size === 0) this.#lines.delete(namespace);
  }

  /** The first key of the namespace whose turn it is, and when it came. */
  take(): { readonly key: string; readonly since: number } | undefined {
    for (const [namespace, line] of this.#lines) {
      for (const [key, since] of line) {
        this.remove(key);
        // Its next turn comes after everybody else's.
        if (this.#lines.delete(namespace)) this.#lines.set(namespace, line);
        return { key, since };
      }
    }
    return undefined;
  }
}

/** What stands before the name; nothing for objects of the cluster. */
function namespaceOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf("/")));
}
