import { type Backoff, backoffMs, pause } from "@payflow/service-kit/concurrency/retry.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { ApiError, hasStatus } from "../client/api-error.ts";
import type { KubernetesClient } from "../client/client.ts";
import type { KubernetesObject, ResourceKind } from "../objects/object.ts";
import { linesOf } from "./lines.ts";
import type { Change, ObjectCache } from "./object-cache.ts";

export interface ReflectorOptions<T extends KubernetesObject> {
  readonly client: KubernetesClient;
  readonly kind: ResourceKind;
  /** One namespace; all of them when left out. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly cache: ObjectCache<T>;
  /** Told of each change after the cache has it. */
  readonly onChange: (change: Change<T>) => void;
  readonly logger: Logger;
  /** How many objects are asked for at once; 500 when left out. Fewer where they may be large. */
  readonly pageSize?: number;
  /** A watch that says nothing for so long is dead; bookmarks come about once a minute. */
  readonly silenceMs?: number;
  readonly backoff?: Backoff;
}

export interface Reflector {
  /** Resolves when the first list is in the cache. */
  readonly synced: Promise<void>;
  /** Whether a watch is open, so that the cache follows the server. */
  isFollowing(): boolean;
  stop(): Promise<void>;
}

/** As in client-go, but not all at the same moment. */
const watchSeconds = { least: 280, span: 20 };
const usualPageSize = 500;
const defaultBackoff: Backoff = { firstMs: 500, maxMs: 30_000 };
/** A watch that ends sooner and brought nothing counts as a failure, so that it is not reopened at once. */
const shortWatchMs = 1_000;

/** Keeps a cache equal to what the API server holds: one list, then watches that resume one another. */
export function startReflector<T extends KubernetesObject>(given: ReflectorOptions<T>): Reflector {
  const stopping = new AbortController();
  const options = { ...given, client: given.client.within({ signal: stopping.signal }) };
  const { cache, logger, kind } = options;
  let isFollowing = false;
  let markSynced = () => {};
  const synced = new Promise<void>((resolve) => {
    markSynced = resolve;
  });

  async function step(): Promise<boolean> {
    if (cache.version === undefined) {
      await relist(options);
      markSynced();
    }
    const startedAt = performance.now();
    const read = await followWatch(options, () => {
      isFollowing = true;
    });
    return read > 0 || performance.now() - startedAt >= shortWatchMs;
  }

  const running = (async () => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      try {
        failures = (await step()) ? 0 : failures + 1;
      } catch (error) {
        if (stopping.signal.aborted) break;
        if (hasStatus(error, 410)) {
          logger.info({ kind: kind.plural }, "the watch is too old to be resumed; listing anew");
          cache.expire();
        }
        failures += 1;
        // A break by itself is nothing unusual: servers restart and balancers cut connections.
        const level = failures % 5 === 0 ? "warn" : "debug";
        logger[level]({ err: error, kind: kind.plural, failures }, "the watch broke off");
      } finally {
        isFollowing = false;
      }
      if (failures > 0) {
        await pause(backoffMs(options.backoff ?? defaultBackoff, failures), stopping.signal);
      }
    }
  })();

  return {
    synced,
    isFollowing: () => isFollowing,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** Reads everything by pages, all of one version, and replaces what the cache held. */
async function relist<T extends KubernetesObject>(options: ReflectorOptions<T>): Promise<void> {
  const { client, kind, namespace, labelSelector, cache, onChange, pageSize = usualPageSize } = options;
  const items: T[] = [];
  let limit: string | undefined = String(pageSize);
  for (let token: string | undefined; ; ) {
    try {
      const page = await client.list<T>(kind, namespace, { labelSelector, limit, continue: token });
      // A page at a time is in memory as it came.
      for (const item of page.items) items.push(cache.trim(item));
      token = page.continueToken;
      if (token !== undefined) continue;
      for (const change of cache.replace(items, page.resourceVersion)) onChange(change);
      return;
    } catch (error) {
      if (!hasStatus(error, 410) || token === undefined) throw error;
      // The version that the pages were of is gone; all at once has no such limit.
      items.length = 0;
      limit = undefined;
      token = undefined;
    }
  }
}

interface WatchEvent<T> {
  readonly type: string;
  readonly object: T;
}

/** Reads one watch to its end; how many events it brought. Throws where it broke off or was refused. */
async function followWatch<T extends KubernetesObject>(
  options: ReflectorOptions<T>,
  onOpen: () => void,
): Promise<number> {
  const { client, kind, namespace, labelSelector, cache, onChange, silenceMs = 100_000 } = options;
  const ending = new AbortController();
  const silence = setTimeout(() => ending.abort(new Error("the watch fell silent")), silenceMs);
  let count = 0;
  try {
    const query = {
      labelSelector,
      resourceVersion: cache.version,
      allowWatchBookmarks: "true",
      timeoutSeconds: String(watchSeconds.least + Math.floor(Math.random() * watchSeconds.span)),
    };
    const body = await client.watch(kind, namespace, query, ending.signal);
    onOpen();
    const heard = hearing(body, () => silence.refresh());
    for await (const line of linesOf(heard)) {
      // A line is one event, as the API server writes them.
      const event = JSON.parse(line) as WatchEvent<T>;
      count += 1;
      const change = take(cache, event);
      if (change !== undefined) onChange(change);
    }
    return count;
  } finally {
    clearTimeout(silence);
    ending.abort();
  }
}

async function* hearing(body: ReadableStream<Uint8Array>, onChunk: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    onChunk();
    yield chunk;
  }
}

function take<T extends KubernetesObject>(
  cache: ObjectCache<T>,
  event: WatchEvent<T>,
): Change<T> | undefined {
  switch (event.type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return cache.apply(event.type, event.object);
    case "BOOKMARK":
      cache.bookmark(event.object.metadata.resourceVersion ?? "");
      return undefined;
    case "ERROR":
      throw ApiError.from(500, event.object, "watch");
    default:
      return undefined;
  }
}
