import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";

/** What is parked of one tenant in one group, over all partitions. */
export interface ParkedOfTenant {
  readonly tenantId: string;
  readonly events: number;
  readonly bytes: number;
}

export type ParkedStore = ReturnType<typeof createParkedStore>;

/** What exporters have parked, as seen from outside of their partitions. */
export function createParkedStore(redis: StreamsRedis, keys: StreamKeys, partitions: number) {
  const all = Array.from({ length: partitions }, (_, partition) => partition);

  async function sizes(group: string): Promise<readonly ParkedOfTenant[]> {
    const found = new Map<string, { events: number; bytes: number }>();
    const replies = await Promise.all(
      all.map((partition) => redis.hgetall(keys.parkedSizes(partition, group))),
    );
    for (const [name, text] of replies.flatMap((reply) => Object.entries(reply))) {
      const [tenantId = "", what] = name.split("/");
      const sum = found.get(tenantId) ?? { events: 0, bytes: 0 };
      if (what === "events" || what === "bytes") sum[what] += Number(text);
      found.set(tenantId, sum);
    }
    return [...found].map(([tenantId, sum]) => ({ tenantId, ...sum }));
  }

  async function drop(group: string, tenantId: string): Promise<void> {
    await Promise.all(
      all.flatMap((partition) => [
        redis.unlink(keys.parked(partition, group, tenantId)),
        redis.hdel(keys.parkedSizes(partition, group), `${tenantId}/events`, `${tenantId}/bytes`),
      ]),
    );
  }

  return {
    /** The tenants of which something is parked in a group. */
    sizes,
    /** Gives up what is parked of a tenant. */
    drop,

    /** Gives up everything that a group's exporter keeps beside its place: parkings and boundaries. */
    async destroy(group: string): Promise<void> {
      for (const { tenantId } of await sizes(group)) await drop(group, tenantId);
      await Promise.all(
        all.map((partition) =>
          redis.unlink(keys.parkedSizes(partition, group), keys.boundaries(partition, group)),
        ),
      );
    },

    /** Says of which tenants as much is parked as may be; it holds for `validMs` unless it is said again. */
    async setFull(tenantIds: readonly string[], validMs: number): Promise<void> {
      const key = keys.fullParkings();
      const change = redis.multi().del(key);
      if (tenantIds.length > 0) change.sadd(key, ...tenantIds).pexpire(key, validMs);
      await change.exec();
    },
  };
}
