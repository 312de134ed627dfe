import type { Change, ObjectCache } from "../kubernetes/cache/object-cache.ts";
import { compareVersions } from "../kubernetes/cache/watch-position.ts";
import { type KubernetesObject, keyOf } from "../kubernetes/objects/object.ts";

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

  /** One cache a namespace that is watched, or one of all namespaces. */
  constructor(caches: readonly ObjectCache<T>[]) {
    this.#caches = caches;
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

  /** Takes over what a write of ours was answered with, until the watch tells as much. */
  wrote(object: T): void {
    const key = keyOf(object.metadata);
    if (isNewer(object, this.get(key))) this.#written.set(key, { object, at: performance.now() });
  }

  /** A write of ours has taken the object away. */
  forget(key: string): void {
    this.#written.delete(key);
  }

  /** To be told of each change of the caches; whether it is news, and not just what we wrote ourselves. */
  isNews(change: Change<T>): boolean {
    const written = this.#own(change.key);
    if (change.type === "deleted") {
      this.#written.delete(change.key);
      return true;
    }
    if (written === undefined) return true;
    if (!isNewer(written, change.object)) this.#written.delete(change.key);
    return versionOf(written) !== versionOf(change.object);
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
