/** A rate forgets what was more than a few seconds ago: after this long it has forgotten two thirds. */
const memoryMs = 5_000;
/** Tenants that send less are not counted any more, in events a second. */
const leastRate = 0.1;

/**
 * What each tenant sends to this process, and how much of it is its fair share when there is room for a part
 * only: max-min fairness (Bertsekas and Gallager, "Data Networks", 6.5.2), by which those who send little
 * keep all of it and the rest is divided evenly between the others.
 */
export class FairShare {
  readonly #noted = new Map<string, number>();
  readonly #rates = new Map<string, number>();
  #level = Number.POSITIVE_INFINITY;
  #total = 0;

  /** Events a second that are sent here, by all tenants. */
  get total(): number {
    return this.#total;
  }

  /** A tenant has sent events, whether they are taken or not. */
  note(tenantId: string, events: number): void {
    this.#noted.set(tenantId, (this.#noted.get(tenantId) ?? 0) + events);
  }

  /** Takes over what was noted in the time that has passed. */
  pass(elapsedMs: number): void {
    const kept = Math.exp(-elapsedMs / memoryMs);
    for (const [tenantId, rate] of this.#rates) this.#rates.set(tenantId, rate * kept);
    for (const [tenantId, events] of this.#noted) {
      const rate = (events / elapsedMs) * 1_000;
      this.#rates.set(tenantId, (this.#rates.get(tenantId) ?? 0) + rate * (1 - kept));
    }
    this.#noted.clear();
    this.#total = 0;
    for (const [tenantId, rate] of this.#rates) {
      if (rate < leastRate) this.#rates.delete(tenantId);
      else this.#total += rate;
    }
  }

  /** Divides room for so many events a second; infinity lets all of them pass. */
  divide(capacity: number): void {
    this.#level = Number.POSITIVE_INFINITY;
    if (capacity >= this.#total) return;
    const rates = [...this.#rates.values()].sort((left, right) => left - right);
    let left = capacity;
    for (const [index, rate] of rates.entries()) {
      const even = left / (rates.length - index);
      if (rate > even) {
        this.#level = even;
        return;
      }
      left -= rate;
    }
  }

  /**
   * Whether a request of a tenant is beyond its share. Of a tenant that sends twice its share every second
   * one is, by chance.
   */
  isAbove(tenantId: string, random = Math.random): boolean {
    const rate = this.#rates.get(tenantId) ?? 0;
    return rate > this.#level && random() * rate >= this.#level;
  }
}
