import { isUnderWay, oneAtATime } from "@payflow/service-kit/concurrency/one-at-a-time.ts";
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

/**
 * Keys: exporters, the change under way. Arguments: who makes it, name, the new text or nothing. Refuses what
 * a process sends after its turn.
 */
const writeScript = `
  if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
  if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[2])
  else redis.call('HSET', KEYS[1], ARGV[2], ARGV[3]) end
  return 1`;

/** The writes of one change; each throws `invalid_state` once the change has had its time. */
export interface ExportersChange {
  put(exporter: Exporter): Promise<void>;
  remove(name: string): Promise<void>;
}

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

  function writesOf(holder: string): ExportersChange {
    const write = async (name: string, text: string) => {
      const written = await redis.eval(
        writeScript,
        ...([2, keys.exporters(), keys.change("exporters"), holder, name, text] as const),
      );
      if (written !== 1) throw isUnderWay();
    };
    return {
      put: (exporter) => write(exporter.name, toText(exporter)),
      async remove(name) {
        await write(name, "");
        await redis.unlink(keys.exporterTroubles(name));
      },
    };
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

    /**
     * Changes exporters, and with them their groups and what they keep, while nobody else does: what is read
     * in a change stays true to its end. Throws `invalid_state` when others keep it from its turn.
     */
    change: <T>(run: (change: ExportersChange) => Promise<T>): Promise<T> =>
      oneAtATime(redis, keys.change("exporters"), (holder) => run(writesOf(holder))),

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
