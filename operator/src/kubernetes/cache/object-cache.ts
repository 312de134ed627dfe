import { type KubernetesObject, keyOf } from "../objects/object.ts";
import { compareVersions, WatchPosition } from "./watch-position.ts";

export type Change<T> =
  | { readonly type: "set"; readonly key: string; readonly object: T; readonly previous: T | undefined }
  | { readonly type: "deleted"; readonly key: string; readonly previous: T };

export interface CacheOptions<T> {
  /** Cuts off what nobody reads, before the object is kept. */
  readonly trim?: (object: T) => T;
  /** Values by which objects are found, each by a name of its own. */
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
}

/** What the API server holds of one kind, as far as its watch has told. */
export class ObjectCache<T extends KubernetesObject> {
  readonly #options: CacheOptions<T>;
  readonly #objects = new Map<string, T>();
  /** The last version of what was deleted above the position's floor: no older event may bring it back. */
  readonly #deleted = new Map<string, string>();
  readonly #indexes = new Map<string, Map<string, Set<string>>>();
  #position: WatchPosition | undefined;

  constructor(options: CacheOptions<T> = {}) {
    this.#options = options;
    for (const name of Object.keys(options.indexes ?? {})) this.#indexes.set(name, new Map());
  }

  /** Where the watch goes on; undefined while a list is needed. */
  get version(): string | undefined {
    return this.#position?.version;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  keys(): string[] {
    return [...this.#objects.keys()];
  }

  values(): T[] {
    return [...this.#objects.values()];
  }

  /** The objects whose index of this name has this value. */
  find(index: string, value: string): T[] {
    const keys = this.#indexes.get(index)?.get(value) ?? [];
    return [...keys].map((key) => this.#objects.get(key)).filter((object) => object !== undefined);
  }

  /** Forgets where the watch was, so that everything is listed anew; the objects stay until then. */
  expire(): void {
    this.#position = undefined;
  }

  /**
   * Takes a whole list over. The server's word holds even where it is older than what was known: it may have
   * been restored from a backup.
   */
  replace(listed: readonly T[], version: string): Change<T>[] {
    this.#position = new WatchPosition(version);
    this.#deleted.clear();
    const gone = new Set(this.#objects.keys());
    const changes: Change<T>[] = [];
    for (const object of listed) {
      const key = keyOf(object.metadata);
      gone.delete(key);
      const previous = this.#objects.get(key);
      if (previous !== undefined && isSame(previous, object)) continue;
      changes.push(this.#set(key, object));
    }
    for (const key of gone) changes.push(...this.#delete(key));
    return changes;
  }

  /** Takes an event over, unless it has come before or a later one of the same object has. */
  apply(type: "ADDED" | "MODIFIED" | "DELETED", object: T): Change<T> | undefined {
    const key = keyOf(object.metadata);
    const version = object.metadata.resourceVersion ?? "";
    if (!this.#advance(version)) return undefined;
    const known = this.#objects.get(key)?.metadata.resourceVersion ?? this.#deleted.get(key);
    if (known !== undefined && compareVersions(known, version) >= 0) return undefined;
    if (type !== "DELETED") {
      this.#deleted.delete(key);
      return this.#set(key, object);
    }
    this.#deleted.set(key, version);
    return this.#delete(key)[0];
  }

  /** Notes that everything up to this version has come. */
  bookmark(version: string): void {
    this.#advance(version);
  }

  #advance(version: string): boolean {
    const position = this.#position;
    if (position === undefined || !position.pass(version)) return false;
    for (const [key, deleted] of this.#deleted) {
      if (compareVersions(deleted, position.version) <= 0) this.#deleted.delete(key);
    }
    return true;
  }

  /** The object as it is kept; doing it again changes nothing. */
  trim(object: T): T {
    return this.#options.trim?.(object) ?? object;
  }

  #set(key: string, untrimmed: T): Change<T> {
    const object = this.trim(untrimmed);
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    this.#reindex(key, previous, object);
    return { type: "set", key, object, previous };
  }

  #delete(key: string): Change<T>[] {
    const previous = this.#objects.get(key);
    if (previous === undefined) return [];
    this.#objects.delete(key);
    this.#reindex(key, previous, undefined);
    return [{ type: "deleted", key, previous }];
  }

  #reindex(key: string, previous: T | undefined, object: T | undefined): void {
    for (const [name, keysByValue] of this.#indexes) {
      const valuesOf = this.#options.indexes?.[name];
      for (const value of (previous && valuesOf?.(previous)) ?? []) {
        const keys = keysByValue.get(value);
        keys?.delete(key);
        if (keys?.size === 0) keysByValue.delete(value);
      }
      for (const value of (object && valuesOf?.(object)) ?? []) {
        keysByValue.set(value, (keysByValue.get(value) ?? new Set()).add(key));
      }
    }
  }
}

function isSame(left: KubernetesObject, right: KubernetesObject): boolean {
  return (
    left.metadata.uid === right.metadata.uid &&
    left.metadata.resourceVersion === right.metadata.resourceVersion
  );
}
