import { DomainError } from "@payflow/contracts/errors.ts";
import { orStreamsUnavailable, type StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { GroupPlace } from "@payflow/service-kit/streams/registry.ts";
import { createRegistryStore, type RegistryStore } from "./registry.store.ts";

export interface RegisteredGroup extends GroupPlace {
  readonly group: string;
}

/**
 * The groups that entries wait for. Groups of Redis that are not in it hold nothing back. Methods throw
 * `unavailable` while Redis is away, and changes `invalid_state` while others keep them from their turn.
 */
export interface GroupRegistry {
  /**
   * Puts a group in the registry, from the oldest entry (`0`) or behind the newest (`$`). One that is there
   * keeps its place; one that was draining goes on, and one that was removed begins anew.
   */
  register(group: string, kind: string, start: "0" | "$"): Promise<void>;
  /** From now on no new entries wait for the group; upkeep removes it once it has read those that did. */
  drain(group: string): Promise<void>;
  /** Takes a group out at once: nothing waits for it, its replicas stop reading, its place is forgotten. */
  deregister(group: string): Promise<void>;
  /** Takes out a group that was found drained, unless it goes on by now, or drains anew. */
  release(drained: RegisteredGroup): Promise<void>;
  /** The groups that are active or draining. */
  list(): Promise<readonly RegisteredGroup[]>;
}

/** Attempts of a change while others change the same place. */
const maxAttempts = 10;

/** The registry in this Redis. */
export function openRegistry(redis: StreamsRedis, keys: StreamKeys, partitions: number): GroupRegistry {
  return createRegistry(createRegistryStore(redis, keys, partitions));
}

function createRegistry(store: RegistryStore): GroupRegistry {
  /** False where there was nothing to change. */
  async function change(
    group: string,
    next: (place: GroupPlace | null) => GroupPlace | null,
  ): Promise<boolean> {
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      const { text, place } = await store.place(group);
      const changed = next(place);
      if (changed === null) return false;
      if (await store.change(group, text, changed)) return true;
    }
    throw new Error(`the place of ${group} changed too often to be changed`);
  }

  /** Redis's groups are made and destroyed beside their place: two changes at once would mix. */
  const alone = <T>(run: () => Promise<T>) => orStreamsUnavailable(() => store.alone(run));

  return {
    register: (group, kind, start) =>
      alone(async () => {
        if (!/^[a-zA-Z0-9._-]{1,100}$/.test(group)) throw new Error(`${group} cannot be a group's name`);
        const { place } = await store.place(group);
        const isNew = place === null || place.state === "removed";
        // What the removed one left goes first; the group is made before anything can wait for it.
        if (place?.state === "removed") await store.destroy(group);
        await store.create(group, isNew ? start : place.start);
        await change(group, (found) => {
          if (found === null || found.state === "removed") {
            return { kind, start, state: "active", since: new Date().toISOString() };
          }
          const { until: _, ...kept } = found;
          return found.state === "active" ? null : { ...kept, state: "active" };
        });
      }),
    drain: (group) =>
      alone(async () => {
        const until = await store.ends();
        await change(group, (place) => {
          if (place === null || place.state === "removed") throw new DomainError("not_found");
          return place.state === "draining" ? null : { ...place, state: "draining", until };
        });
      }),
    deregister: (group) =>
      alone(async () => {
        await change(group, (place) => {
          if (place === null || place.state === "removed") throw new DomainError("not_found");
          return removed(place);
        });
        await store.destroy(group);
      }),
    release: ({ group, until }) =>
      alone(async () => {
        const isDone = await change(group, (place) => {
          const isSame = place?.state === "draining" && Bun.deepEquals(place.until, until);
          return isSame ? removed(place) : null;
        });
        if (isDone) await store.destroy(group);
      }),
    list: () =>
      orStreamsUnavailable(async () => {
        const places = await store.places();
        return [...places]
          .filter(([, place]) => place.state !== "removed")
          .map(([group, place]) => ({ group, ...place }))
          .sort((left, right) => (left.group < right.group ? -1 : 1));
      }),
  };
}

function removed({ until: _, ...kept }: GroupPlace): GroupPlace {
  return { ...kept, state: "removed" };
}
