import type { KubernetesObject } from "../../src/kubernetes/objects/object.ts";
import { bookmarkAt, line, status } from "./api-answers.ts";
import { keyIn, type Place, placeOf, prefixOf } from "./api-places.ts";

export interface StoredObject extends KubernetesObject {
  readonly spec?: Record<string, unknown>;
  readonly status?: Record<string, unknown>;
}

export interface LoggedEvent {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: StoredObject;
}

/** How a watch's lines reach the client; faults take the place of the plain way. */
export interface WatchSender {
  /** Called with all that is new, in order; writes lines in whatever way it likes. */
  send(events: readonly LoggedEvent[]): void;
}

export interface Faults {
  /** An answer in the place of the real one, or nothing. */
  answer?(request: { readonly method: string; readonly url: URL }): Response | undefined;
  sender?(writer: WatchWriter): WatchSender;
}

export interface WatchWriter {
  write(bytes: Uint8Array): void;
  /** As when a connection is reset. */
  reset(): void;
  /** As when `timeoutSeconds` are over. */
  end(): void;
}

interface Watch {
  readonly prefix: string;
  readonly sender: WatchSender;
  readonly writer: WatchWriter;
  sent: number;
}

/**
 * As much of an API server as the machinery asks for: revisions, lists by page, watches from a revision,
 * optimistic locking, finalizers, merge patches. Answers requests as `Bun.serve` hands them over.
 */
export class FakeApiServer {
  faults: Faults = {};
  readonly requests: { readonly method: string; readonly path: string; readonly headers: Headers }[] = [];
  readonly #objects = new Map<string, StoredObject>();
  readonly #log: (LoggedEvent & { readonly key: string })[] = [];
  readonly #watches = new Set<Watch>();
  #version = 100;
  #compacted = 0;

  readonly handle = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    this.requests.push({ method: request.method, path: url.pathname + url.search, headers: request.headers });
    const instead = this.faults.answer?.({ method: request.method, url });
    if (instead !== undefined) return instead;
    const place = placeOf(url.pathname);
    if (place === undefined) return status(404, "NotFound");
    if (request.method !== "GET") return this.#write(request.method, place, await bodyOf(request));
    if (place.name !== undefined) return answer(this.#objects.get(keyIn(place)));
    return url.searchParams.get("watch") === "true" ? this.#watch(place, url) : this.#list(place, url);
  };

  get version(): number {
    return this.#version;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** Requests that change something, apart from those to the paths that match. */
  writes(except?: RegExp): string[] {
    return this.requests
      .filter(({ method, path }) => method !== "GET" && !except?.test(path))
      .map(({ method, path }) => `${method} ${path}`);
  }

  /** The objects of a collection by `namespace/name`. */
  stored(collection: string): Map<string, StoredObject> {
    const found = [...this.#objects].filter(([key]) => key.startsWith(`${collection}#`));
    return new Map(found.map(([key, object]) => [key.slice(collection.length + 1), object]));
  }

  put(collection: string, key: string, object: Omit<StoredObject, "metadata">): StoredObject {
    const [namespace = "", name = ""] = key.split("/");
    const known = this.#objects.get(`${collection}#${key}`);
    const metadata = known?.metadata ?? { namespace, name };
    return this.#store(`${collection}#${key}`, { ...known, ...object, metadata });
  }

  delete(collection: string, key: string): void {
    const known = this.#objects.get(`${collection}#${key}`);
    if (known !== undefined) this.#drop(`${collection}#${key}`, known);
  }

  /** Forgets all events so far: a watch or page from before is answered with 410. */
  compact(): void {
    this.#compacted = this.#version;
  }

  bookmark(): void {
    for (const watch of this.#watches) watch.writer.write(line("BOOKMARK", bookmarkAt(watch.sent)));
  }

  resetWatches(): void {
    for (const watch of this.#watches) watch.writer.reset();
  }

  /** Goes back to an earlier state with an earlier revision, as a cluster restored from a backup does. */
  restore(version: number, objects: ReadonlyMap<string, StoredObject>, collection: string): void {
    this.resetWatches();
    for (const key of this.#objects.keys()) if (key.startsWith(`${collection}#`)) this.#objects.delete(key);
    for (const [key, object] of objects) this.#objects.set(`${collection}#${key}`, object);
    this.#version = version;
    this.#compacted = version;
    this.#log.length = 0;
  }

  #list(place: Place, url: URL): Response {
    const all = [...this.#matching(place)];
    const limit = Number(url.searchParams.get("limit") ?? 0) || all.length;
    const token = url.searchParams.get("continue");
    const [version = this.#version, from = 0] = token?.split("-").map(Number) ?? [];
    if (version < this.#compacted || (token !== null && version !== this.#version)) {
      return status(410, "Expired");
    }
    const isLast = from + limit >= all.length;
    return Response.json({
      items: all.slice(from, from + limit),
      metadata: {
        resourceVersion: String(version),
        ...(isLast ? {} : { continue: `${version}-${from + limit}` }),
      },
    });
  }

  #watch(place: Place, url: URL): Response {
    const from = Number(url.searchParams.get("resourceVersion"));
    if (from < this.#compacted) return status(410, "Expired");
    let watch: Watch | undefined;
    const end = () => {
      if (watch !== undefined) this.#watches.delete(watch);
    };
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        let isOpen = true;
        const close = (how: () => void) => {
          end();
          if (isOpen) how();
          isOpen = false;
        };
        const writer: WatchWriter = {
          write: (bytes) => {
            if (isOpen) controller.enqueue(bytes);
          },
          // An error with a name would be printed by the server.
          reset: () => close(() => controller.error(undefined)),
          end: () => close(() => controller.close()),
        };
        const sender = this.faults.sender?.(writer) ?? plainSender(writer);
        watch = { prefix: prefixOf(place), sender, writer, sent: from };
        this.#watches.add(watch);
        // Bun sends an answer's head with its first bytes, an API server at once.
        writer.write(new TextEncoder().encode("\n"));
        this.#feed(watch);
      },
      cancel: end,
    });
    return new Response(body, { headers: { "content-type": "application/json" } });
  }

  #feed(watch: Watch): void {
    const news = this.#log.filter(({ version, key }) => version > watch.sent && key.startsWith(watch.prefix));
    watch.sent = this.#version;
    if (news.length > 0) watch.sender.send(news);
  }

  #write(method: string, place: Place, body: StoredObject): Response {
    const name = place.name ?? body.metadata.name;
    const key = keyIn({ ...place, name });
    const known = this.#objects.get(key);
    if (method === "POST") {
      if (known !== undefined) return status(409, "AlreadyExists");
      const { namespace } = place;
      return answer(
        this.#store(key, { ...body, metadata: { ...body.metadata, ...(namespace ? { namespace } : {}) } }),
      );
    }
    if (known === undefined) return status(404, "NotFound");
    const wanted = body.metadata?.resourceVersion;
    if (wanted !== undefined && wanted !== known.metadata.resourceVersion) return status(409, "Conflict");
    if (method === "DELETE") {
      if (!known.metadata.finalizers?.length) return answer(this.#drop(key, known));
      const deletionTimestamp = new Date().toISOString();
      return answer(this.#store(key, { ...known, metadata: { ...known.metadata, deletionTimestamp } }));
    }
    const changed =
      method === "PUT" ? { ...body, metadata: { ...known.metadata, ...body.metadata } } : merged(known, body);
    const stored = this.#store(key, changed);
    const { deletionTimestamp, finalizers = [] } = stored.metadata;
    return answer(deletionTimestamp && finalizers.length === 0 ? this.#drop(key, stored) : stored);
  }

  #store(key: string, object: StoredObject): StoredObject {
    const known = this.#objects.get(key);
    this.#version += 1;
    const stored = {
      ...object,
      metadata: {
        creationTimestamp: `${new Date().toISOString().slice(0, 19)}Z`,
        uid: crypto.randomUUID(),
        ...object.metadata,
        resourceVersion: String(this.#version),
      },
    };
    this.#objects.set(key, stored);
    this.#announce(key, { version: this.#version, type: known ? "MODIFIED" : "ADDED", object: stored });
    return stored;
  }

  #drop(key: string, known: StoredObject): StoredObject {
    this.#version += 1;
    const last = { ...known, metadata: { ...known.metadata, resourceVersion: String(this.#version) } };
    this.#objects.delete(key);
    this.#announce(key, { version: this.#version, type: "DELETED", object: last });
    return last;
  }

  #announce(key: string, event: LoggedEvent): void {
    this.#log.push({ ...event, key });
    for (const watch of [...this.#watches]) this.#feed(watch);
  }

  *#matching(place: Place): Generator<StoredObject> {
    for (const [key, object] of this.#objects) if (key.startsWith(prefixOf(place))) yield object;
  }
}

function plainSender(writer: WatchWriter): WatchSender {
  return {
    send(events) {
      for (const { type, object } of events) writer.write(line(type, object));
    },
  };
}

async function bodyOf(request: Request): Promise<StoredObject> {
  return JSON.parse(await request.text());
}

function answer(object: StoredObject | undefined): Response {
  return object === undefined ? status(404, "NotFound") : Response.json(object);
}

function merged(known: StoredObject, patch: object): StoredObject {
  const result: Record<string, unknown> = { ...known };
  for (const [field, value] of Object.entries(patch)) {
    const old = result[field];
    const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
    if (value === null) delete result[field];
    else result[field] = isMap ? merged((old ?? {}) as StoredObject, value) : value;
  }
  return result as unknown as StoredObject;
}
