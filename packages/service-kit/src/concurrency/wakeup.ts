/** A bell that is not missed: what is given between taking and waiting ends the wait at once. */
export class Wakeup {
  #count = 0;
  #ring: () => void = () => {};

  give(): void {
    this.#count += 1;
    this.#ring();
  }

  /** Remembers the moment; `given` then resolves at the first `give` since, or after `timeoutMs`. */
  take(): { given(timeoutMs: number): Promise<void> } {
    const seen = this.#count;
    return {
      given: (timeoutMs) =>
        new Promise((resolve) => {
          if (this.#count !== seen) return resolve();
          const timer = setTimeout(resolve, timeoutMs);
          this.#ring = () => {
            clearTimeout(timer);
            resolve();
          };
        }),
    };
  }
}
