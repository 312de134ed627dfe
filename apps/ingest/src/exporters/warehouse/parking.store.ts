import type { EntryReference, HeldPartition } from "@payflow/service-kit/streams/consumer.ts";
import { type RawEntry, type StreamEntry, toStreamEntry } from "@payflow/service-kit/streams/entry.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";

/** Entries of one script call, so that no call holds Redis for long. */
const chunk = 500;

/**
 * Keys: events, parking, sizes. Arguments: tenant, ids of entries. Copies the entries to the tenant's parking
 * under their own ids, so that one that is there already is not there twice; one that comes after newer ones
 * gets an id behind them and its own in a field. Returns how many are parked then.
 */
const moveScript = `
  local count, bytes = 0, 0
  for i = 2, #ARGV do
    local found = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
    if found then
      local fields = found[2]
      local size = 0
      for _, text in ipairs(fields) do size = size + #text end
      local added = redis.pcall('XADD', KEYS[2], ARGV[i], unpack(fields))
      if type(added) == 'table' and #redis.call('XRANGE', KEYS[2], ARGV[i], ARGV[i]) == 0 then
        fields[#fields + 1] = 'entry'
        fields[#fields + 1] = ARGV[i]
        added = redis.call('XADD', KEYS[2], '*', unpack(fields))
      end
      if type(added) ~= 'table' then
        count = count + 1
        bytes = bytes + size
      end
    end
  end
  redis.call('HINCRBY', KEYS[3], ARGV[1] .. '/events', count)
  redis.call('HINCRBY', KEYS[3], ARGV[1] .. '/bytes', bytes)
  return redis.call('XLEN', KEYS[2])`;

/**
 * Keys: parking, sizes, exported, boundaries. Arguments: tenant, first id that stays, bytes, the file's path,
 * then `tenant/mode` and a count in turn. Takes out what was exported, with the file's boundary, and returns
 * how many are left; asked again, it changes nothing.
 */
const releaseScript = `
  local gone = redis.call('XTRIM', KEYS[1], 'MINID', ARGV[2])
  local left = redis.call('XLEN', KEYS[1])
  redis.call('HDEL', KEYS[4], ARGV[4])
  if gone == 0 then return left end
  if left == 0 then
    redis.call('DEL', KEYS[1])
    redis.call('HDEL', KEYS[2], ARGV[1] .. '/events', ARGV[1] .. '/bytes')
  else
    redis.call('HINCRBY', KEYS[2], ARGV[1] .. '/events', -gone)
    redis.call('HINCRBY', KEYS[2], ARGV[1] .. '/bytes', -tonumber(ARGV[3]))
  end
  for i = 5, #ARGV, 2 do redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 1]) end
  return left`;

/** A parked entry: as it was, under its id in the parking. */
export interface ParkedEntry {
  readonly parkedId: string;
  readonly bytes: number;
  readonly entry: StreamEntry;
}

export type ParkingStore = ReturnType<typeof createParkingStore>;

/** The parking of one partition: a stream for each tenant whose own target is away. */
export function createParkingStore(keys: StreamKeys, partition: HeldPartition) {
  const { number, group } = partition;
  const parked = (tenantId: string) => keys.parked(number, group, tenantId);
  const sizes = keys.parkedSizes(number, group);
  return {
    /** The tenants of which something is parked. */
    async tenants(): Promise<Set<string>> {
      const reply = await partition.step("return redis.call('HKEYS', KEYS[1])", [sizes], []);
      // HKEYS answers a list of texts.
      const names = (reply as string[]).filter((name) => name.endsWith("/events"));
      return new Set(names.map((name) => name.slice(0, -"/events".length)));
    },

    /** Moves entries to their tenant's parking, in their order; each part in the step that ends them here. */
    async move(tenantId: string, entries: readonly EntryReference[]): Promise<void> {
      for (let at = 0; at < entries.length; at += chunk) {
        const part = entries.slice(at, at + chunk);
        await partition.step(
          moveScript,
          [keys.events(number), parked(tenantId), sizes],
          [tenantId, ...part.map((entry) => entry.id)],
          { entries: part, isExported: false },
        );
      }
    },

    /** The next parked entries behind an id, oldest first; from the beginning without one. */
    async read(tenantId: string, after: string | null): Promise<readonly ParkedEntry[]> {
      const script = "return redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])";
      const from = after === null ? "-" : `(${after}`;
      const reply = await partition.step(script, [parked(tenantId)], [from, chunk]);
      // XRANGE answers entries.
      return (reply as RawEntry[]).map((raw) => toParked(number, raw));
    },

    /** Takes out everything up to an entry, as exported in that file, and tells how many are left. */
    async release(tenantId: string, done: readonly ParkedEntry[], path: string): Promise<number> {
      const last = done.at(-1);
      if (last === undefined) return 0;
      const bytes = done.reduce((sum, one) => sum + one.bytes, 0);
      const counts = new Map<string, number>();
      for (const { entry } of done) {
        counts.set(`${tenantId}/${entry.mode}`, (counts.get(`${tenantId}/${entry.mode}`) ?? 0) + 1);
      }
      const left = await partition.step(
        releaseScript,
        [parked(tenantId), sizes, keys.exported(number, group), keys.boundaries(number, group)],
        [tenantId, following(last.parkedId), bytes, path, ...[...counts].flat()],
      );
      return Number(left);
    },
  };
}

/** The smallest id behind another. */
function following(id: string): string {
  const dash = id.indexOf("-");
  return `${id.slice(0, dash)}-${BigInt(id.slice(dash + 1)) + 1n}`;
}

function toParked(partition: number, raw: RawEntry): ParkedEntry {
  const [parkedId, fields] = raw;
  const entry = toStreamEntry(partition, raw);
  const isMarked = fields.at(-2) === "entry";
  const own = isMarked ? fields.slice(0, -2) : fields;
  return {
    parkedId,
    bytes: own.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
    entry: isMarked ? { ...entry, id: fields.at(-1) ?? entry.id } : entry,
  };
}
