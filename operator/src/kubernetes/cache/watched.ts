import { type KubernetesObject, keyOf } from "../objects/object.ts";
import type { Change, ObjectCache } from "./object-cache.ts";
import { compareVersions } from "./watch-position.ts";

/**
 * A write of ours that no watch has told of for so long was to an object that is gone: events may overtake
 * answers.
 */
const believedMs = 60_000;

/**
 * What is known of all objects of one kind: what the watches have told, and what the API server answered to
 * our own writes where that is newer. A pass that follows a write of ours therefore sees it.
 */
export class Watched<T extends KubernetesObject> {
  readonly #caches: readonly ObjectCache<T>[];
  readonly #written = new Map<string, { readonly object: T; readonly at: number }>();
  readonly #onNews: (change: Change<T>) => void;
  /** What the watches have told of objects that a write of ours is under way to. */
  readonly #held = new Map<string, Change<T>[]>();

  /**
   * One cache a namespace that is watched, or one of all namespaces. `onNews` is told of what somebody else
   * has changed.
   */
  constructor(caches: readonly ObjectCache<T>[], onNews: (change: Change<T>) => void) {
    this.#caches = caches;
    this.#onNews = onNews;
  }

  get(key: string): T | undefined {
    return this.#own(key) ?? this.#cached(key);
  }

  keys(): string[] {
    return this.#caches.flatMap((cache) => cache.keys());
  }

  values(): T[] {
    return this.keys().flatMap((key) => this.get(key) ?? []);
  }

  /** The objects whose index of this name has this value, as the watches have told. */
  find(index: string, value: string): T[] {
    return this.#caches.flatMap((cache) => cache.find(index, value)).map((object) => this.#newest(object));
  }

  /**
   * Does a write of ours to the object of this key, and takes over what it is answered with until the watch
   * tells as much. The watch may tell before the answer: only then is it known to have been our doing.
   */
  async writing<Written extends T>(key: string, write: () => Promise<Written>): Promise<Written> {
    const held: Change<T>[] = [];
    this.#held.set(key, held);
    try {
      const object = await write();
      const isGone = held.at(-1)?.type === "deleted";
      if (!isGone && isNewer(object, this.get(key)))
        this.#written.set(key, { object, at: performance.now() });
      for (const change of held.splice(0)) {
        if (change.type === "deleted" || isNewer(change.object, object)) this.#onNews(change);
      }
      return object;
    } finally {
      this.#held.delete(key);
      for (const change of held) this.#onNews(change);
    }
  }

  /** To be told of each change of the caches, after they have it. */
  noteChange(change: Change<T>): void {
    const written = this.#own(change.key);
    // All our writes name the version that they follow: what is older than one was known to it.
    const isOwn = change.type === "set" && written !== undefined && !isNewer(change.object, written);
    if (change.type === "deleted" || (written !== undefined && !isNewer(written, change.object))) {
      this.#written.delete(change.key);
    }
    const held = this.#held.get(change.key);
    if (held !== undefined) held.push(change);
    else if (!isOwn) this.#onNews(change);
  }

  #cached(key: string): T | undefined {
    for (const cache of this.#caches) {
      const found = cache.get(key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #newest(object: T): T {
    return this.#own(keyOf(object.metadata)) ?? object;
  }

  #own(key: string): T | undefined {
    const written = this.#written.get(key);
    if (written === undefined || performance.now() - written.at < believedMs) return written?.object;
    this.#written.delete(key);
    return undefined;
  }
}

function versionOf(object: KubernetesObject): string {
  return object.metadata.resourceVersion ?? "";
}

function isNewer(object: KubernetesObject, than: KubernetesObject | undefined): boolean {
  return than === undefined || compareVersions(versionOf(object), versionOf(than)) > 0;
}
