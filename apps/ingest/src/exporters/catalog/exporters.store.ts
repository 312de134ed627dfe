import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { changeSecrets, type Exporter } from "../exporter.ts";
import type { Seal } from "./seal.ts";

/** What an exporter waits for. */
export interface Trouble {
  readonly message: string;
  readonly since: string;
}

/** Keys: exporters. Arguments: name, the text found. Removes it while it is still that text. */
const removeScript = `
  if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
  return redis.call('HDEL', KEYS[1], ARGV[1])`;

export type ExportersStore = ReturnType<typeof createExportersStore>;

export interface ExportersStoreOptions {
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly seal: Seal;
  readonly logger: Logger;
}

/** The exporters in Redis: a hash with the settings of each, its secrets sealed. */
export function createExportersStore({ redis, keys, seal, logger }: ExportersStoreOptions) {
  const purpose = (name: string, identity: string) => `${name} ${identity}`;

  function toText(exporter: Exporter): string {
    const settings = changeSecrets(exporter.settings, ({ owner, secret }) =>
      secret === undefined ? undefined : seal.close(purpose(exporter.name, owner), secret),
    );
    return JSON.stringify({ ...exporter, settings });
  }

  function fromText(text: string): Exporter {
    // Nobody but `toText` writes the hash.
    const stored = JSON.parse(text) as Exporter;
    const settings = changeSecrets(stored.settings, ({ owner, secret: sealed }) => {
      if (sealed === undefined) return undefined;
      try {
        return seal.open(purpose(stored.name, owner), sealed);
      } catch {
        logger.error({ exporter: stored.name }, "a target's secret cannot be read: put the settings again");
        return undefined;
      }
    });
    return { ...stored, settings };
  }

  return {
    async get(name: string): Promise<Exporter | null> {
      const text = await redis.hget(keys.exporters(), name);
      return text === null ? null : fromText(text);
    },

    /** All of them in the order of their names. */
    async list(): Promise<readonly Exporter[]> {
      const all = Object.entries(await redis.hgetall(keys.exporters()));
      return all.toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([, text]) => fromText(text));
    },

    async put(exporter: Exporter): Promise<void> {
      await redis.hset(keys.exporters(), exporter.name, toText(exporter));
    },

    /** Takes away a draining exporter, and not one that was set up anew under its name meanwhile. */
    async removeDrained(exporter: Exporter): Promise<void> {
      const found = await redis.hget(keys.exporters(), exporter.name);
      if (found === null || fromText(found).state !== "draining") return;
      const removed = await redis.eval(removeScript, 1, keys.exporters(), exporter.name, found);
      if (removed === 1) await redis.unlink(keys.exporterTroubles(exporter.name));
    },

    async remove(name: string): Promise<void> {
      await redis.hdel(keys.exporters(), name);
      await redis.unlink(keys.exporterTroubles(name));
    },

    /** What an exporter waits for, by the tenant whose own target it is; under nothing what all wait for. */
    async troubles(name: string): Promise<ReadonlyMap<string, Trouble>> {
      const texts = Object.entries(await redis.hgetall(keys.exporterTroubles(name)));
      // Nobody but `setTrouble` writes the hash.
      return new Map(texts.map(([tenantId, text]) => [tenantId, JSON.parse(text) as Trouble]));
    },

    async setTrouble(name: string, tenantId: string, trouble: Trouble | null): Promise<void> {
      const key = keys.exporterTroubles(name);
      if (trouble === null) await redis.hdel(key, tenantId);
      else await redis.hset(key, tenantId, JSON.stringify(trouble));
    },
  };
}
