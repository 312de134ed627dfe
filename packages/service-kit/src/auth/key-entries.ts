import type { KeyRecord } from "@payflow/contracts/internal-tenant.ts";
import { entryLifeMs, provenForMs } from "./cache-layout.ts";

/**
 * How far this process follows the changes. `run` grows whenever a change may have been missed; `provenAt` is
 * the moment, on this process's monotonic clock in milliseconds, up to which every change is known.
 */
export interface FeedView {
  readonly run: number;
  readonly provenAt: number;
}

export interface KeyEntry {
  readonly record: KeyRecord;
  /**
   * When it was loaded, and the moment for which it was right by itself; -Infinity where only the feed
   * vouches.
   */
  readonly loadedAt: number;
  readonly readAt: number;
  /** The feed's `run` before it was loaded: later changes of that run are known. */
  readonly run: number;
  /** The end of the key's validity. All times are monotonic milliseconds of this process. */
  readonly validUntil: number;
}

/** Longer than an entry lives and a look-up may take together. */
const floorLifeMs = 2 * entryLifeMs;

/**
 * The records this process knows, by the SHA-256 of their keys. A record is given out only while it is known
 * to have been right within the last half second: by its own reading, or by the feed of changes.
 */
export class KeyEntries {
  readonly #maxEntries: number;
  readonly #entries = new Map<string, KeyEntry>();
  readonly #floors = new Map<string, { readonly number: number; readonly notedAt: number }>();

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  /** The entry, if it may be used at this moment. */
  find(sha256: string, now: number, feed: FeedView): KeyEntry | undefined {
    const entry = this.#entries.get(sha256);
    return entry !== undefined && this.isUsable(entry, now, feed) ? entry : undefined;
  }

  isUsable(entry: KeyEntry, now: number, feed: FeedView): boolean {
    const provenAt = entry.run === feed.run ? Math.max(entry.readAt, feed.provenAt) : entry.readAt;
    return (
      now - entry.loadedAt <= entryLifeMs && now - provenAt <= provenForMs && !this.isOutdated(entry.record)
    );
  }

  /** Whether a change of the key or its tenant is known that the record does not have yet. */
  isOutdated(record: KeyRecord): boolean {
    return record.version < Math.max(this.#floor(record.key_id), this.#floor(record.tenant_id));
  }

  /** Whether the key was known here, also if its record is too old by now. */
  has(sha256: string): boolean {
    return this.#entries.has(sha256);
  }

  /** Keeps an entry; the one that was put in first makes room where there is none. */
  put(sha256: string, entry: KeyEntry): void {
    this.#entries.delete(sha256);
    this.#entries.set(sha256, entry);
    if (this.#entries.size <= this.#maxEntries) return;
    const first = this.#entries.keys().next();
    if (first.done !== true) this.#entries.delete(first.value);
  }

  drop(sha256: string): void {
    this.#entries.delete(sha256);
  }

  /** Notes that a key or tenant has changed; records with a lower version are refused from now on. */
  noteChange(subject: string, number: number, now: number): void {
    this.#floors.delete(subject);
    this.#floors.set(subject, { number, notedAt: now });
    for (const [oldest, floor] of this.#floors) {
      if (now - floor.notedAt <= floorLifeMs) break;
      this.#floors.delete(oldest);
    }
  }

  #floor(subject: string): number {
    return this.#floors.get(subject)?.number ?? 0;
  }
}
