import { entryTimeMs } from "../store/entry-id.ts";
import { fieldFunction, orderFunctions } from "../store/redis-lua.ts";
import type { StreamsRedis } from "./connect.ts";
import type { StreamKeys } from "./keys.ts";

/** Where a group stands in one partition. */
export interface PartitionLag {
  readonly group: string;
  /** Events that it has not acknowledged. */
  readonly events: number;
  /** Age of the oldest of them in seconds, 0 when there is none. */
  readonly seconds: number;
  /** The oldest of them; null when there is none. */
  readonly oldestId: string | null;
  /** Of the events, those given to a program that reads by XREADGROUP. */
  readonly pending: number;
}

/** One partition's stream as it is now. */
export interface PartitionState {
  readonly partition: number;
  readonly length: number;
  /** All events that were ever appended. */
  readonly added: number;
  readonly lastId: string;
  /** Null when it holds none. */
  readonly oldestId: string | null;
  readonly groups: readonly PartitionLag[];
}

/** How far a group is behind over all partitions. */
export interface GroupLag {
  readonly group: string;
  readonly events: number;
  readonly seconds: number;
}

/**
 * Keys: stream, then for each group its hash of entries acknowledged ahead. Arguments: the groups. Returns
 * Redis's time, length, events ever added, last and first id, then for each group its lag, what is pending
 * and the oldest entry not acknowledged.
 */
const stateScript = `#!lua flags=allow-oom
  ${fieldFunction}
  ${orderFunctions}
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local about = redis.pcall('XINFO', 'STREAM', KEYS[1])
  if about.err then return {now, 0, 0, '0-0', ''} end
  local length, added = field(about, 'length'), field(about, 'entries-added')
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  local reply = {now, length, added, field(about, 'last-generated-id'), first and first[1] or ''}
  local known = {}
  for _, one in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do known[field(one, 'name')] = one end
  for i, name in ipairs(ARGV) do
    local one = known[name]
    local lag, pending, oldest = length, 0, reply[5]
    if one then
      lag, pending = field(one, 'lag') or length, field(one, 'pending')
      local ahead = KEYS[i + 1]
      if redis.call('EXISTS', ahead) == 1 then
        lag = lag - redis.call('HLEN', ahead) + redis.call('HEXISTS', ahead, 'step')
      end
      local next = redis.call('XRANGE', KEYS[1], '(' .. field(one, 'last-delivered-id'), '+', 'COUNT', 1)[1]
      oldest = next and next[1] or ''
      if pending > 0 then
        local given = redis.call('XPENDING', KEYS[1], name)[2]
        if given and (oldest == '' or before(given, oldest)) then oldest = given end
      end
    end
    for _, value in ipairs({lag, pending, oldest}) do reply[#reply + 1] = value end
  end
  return reply`;

interface StateScripts {
  streamsState(keyCount: number, ...args: (string | number)[]): Promise<(string | number)[]>;
}

/** The state of every partition, with how far the named groups are behind. Changes nothing. */
export async function readStates(
  redis: StreamsRedis,
  keys: StreamKeys,
  partitions: number,
  groups: readonly string[],
): Promise<PartitionState[]> {
  if (!("streamsState" in redis)) redis.defineCommand("streamsState", { lua: stateScript });
  // defineCommand adds the method that the interface lists.
  const scripted = redis as StreamsRedis & StateScripts;
  return Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      const ahead = groups.map((group) => keys.ahead(partition, group));
      const reply = await scripted.streamsState(
        1 + ahead.length,
        keys.events(partition),
        ...ahead,
        ...groups,
      );
      return toState(partition, groups, reply);
    }),
  );
}

function toState(partition: number, groups: readonly string[], reply: (string | number)[]): PartitionState {
  const [now, length, added, lastId, oldestId] = reply;
  const idOrNull = (value: string | number | undefined) => (value ? String(value) : null);
  return {
    partition,
    length: Number(length),
    added: Number(added),
    lastId: String(lastId),
    oldestId: idOrNull(oldestId),
    groups: groups.map((group, index) => {
      const [lag = 0, pending = 0, oldest] = reply.slice(5 + 3 * index, 8 + 3 * index);
      const id = idOrNull(oldest);
      const ageMs = id === null ? 0 : Number(now) - entryTimeMs(id);
      return {
        group,
        // What Redis cannot count is at least the one that was found.
        events: id === null ? 0 : Math.max(Number(lag) + Number(pending), 1),
        seconds: Math.max(ageMs, 0) / 1_000,
        oldestId: id,
        pending: Number(pending),
      };
    }),
  };
}

/** Sums a group's lag over the partitions. */
export function groupLag(states: readonly PartitionState[], group: string): GroupLag {
  const lags = states.flatMap((state) => state.groups.filter((one) => one.group === group));
  return {
    group,
    events: lags.reduce((sum, lag) => sum + lag.events, 0),
    seconds: Math.max(0, ...lags.map((lag) => lag.seconds)),
  };
}
