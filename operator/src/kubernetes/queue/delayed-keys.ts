interface Entry {
  readonly key: string;
  readonly dueAt: number;
}

/** Keys that come up at their time, the earliest first: a binary heap with one valid entry a key. */
export class DelayedKeys {
  readonly #heap: Entry[] = [];
  readonly #dueAt = new Map<string, number>();

  /** Of two times for one key the earlier holds. */
  add(key: string, dueAt: number): void {
    const known = this.#dueAt.get(key);
    if (known !== undefined && known <= dueAt) return;
    this.#dueAt.set(key, dueAt);
    this.#heap.push({ key, dueAt });
    this.#rise(this.#heap.length - 1);
  }

  remove(key: string): void {
    this.#dueAt.delete(key);
  }

  /** When the next one is due; undefined where nothing waits. */
  nextAt(): number | undefined {
    this.#dropOutdated();
    return this.#heap[0]?.dueAt;
  }

  /** Takes one that is due. */
  take(now: number): string | undefined {
    this.#dropOutdated();
    const first = this.#heap[0];
    if (first === undefined || first.dueAt > now) return undefined;
    this.#dueAt.delete(first.key);
    this.#dropFirst();
    return first.key;
  }

  /** An entry whose key was removed, or got an earlier time since, is passed over. */
  #dropOutdated(): void {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#dueAt.get(first.key) === first.dueAt) return;
      this.#dropFirst();
    }
  }

  #dropFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  #rise(from: number): void {
    for (let index = from; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfLater(parent, index)) return;
      index = parent;
    }
  }

  #sink(): void {
    for (let index = 0; ; ) {
      const left = 2 * index + 1;
      const child = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (!this.#swapIfLater(index, child)) return;
      index = child;
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.dueAt ?? Number.POSITIVE_INFINITY;
  }

  #swapIfLater(parent: number, child: number): boolean {
    const [above, below] = [this.#heap[parent], this.#heap[child]];
    if (above === undefined || below === undefined || above.dueAt <= below.dueAt) return false;
    this.#heap[parent] = below;
    this.#heap[child] = above;
    return true;
  }
}
