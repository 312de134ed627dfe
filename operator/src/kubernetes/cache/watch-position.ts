/**
 * Which of two resource versions is the later one, as a number below, equal to or above 0. They are decimal
 * numbers that grow with each change (Kubernetes enhancement 5504 makes that a promise), of any length.
 */
export function compareVersions(left: string, right: string): number {
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Events that may still come earlier than one that has come. */
const disorder = 8;

/**
 * Up to where a watch has been read without a gap, although events may come twice or out of order. All events
 * up to the floor have come; of those above it, some. A watch that breaks off is resumed at the floor: what
 * had come already comes again and is passed over.
 */
export class WatchPosition {
  #floor: string;
  readonly #above: string[] = [];

  constructor(listVersion: string) {
    this.#floor = listVersion;
  }

  /** Where to resume. */
  get version(): string {
    return this.#floor;
  }

  /** Notes that this version has come; false when it had before. */
  pass(version: string): boolean {
    if (compareVersions(version, this.#floor) <= 0) return false;
    const later = this.#above.findIndex((one) => compareVersions(one, version) >= 0);
    if (later >= 0 && this.#above[later] === version) return false;
    this.#above.splice(later < 0 ? this.#above.length : later, 0, version);
    if (this.#above.length > disorder) this.#floor = this.#above.shift() ?? this.#floor;
    return true;
  }
}
