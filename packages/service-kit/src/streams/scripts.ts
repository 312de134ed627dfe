import { leaseFunctions } from "../store/redis-lease.ts";
import { fieldFunction } from "../store/redis-lua.ts";
import type { StreamsRedis } from "./connect.ts";
import type { RawEntry } from "./entry.ts";

/*
 * Redis runs a script as one step. All keys of one call lie in one slot of a Redis Cluster. `allow-oom` lets
 * groups go on above maxmemory: they are what brings it down again.
 */

/**
 * Keys: members, registry. Arguments: member, membership in ms, group, its place in the registry where it has
 * none. Returns Redis's time, the group's place in the registry, then the members.
 */
const join = `#!lua flags=allow-oom
  ${leaseFunctions}
  local now = clock()
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  redis.call('HSETNX', KEYS[2], ARGV[3], ARGV[4])
  local reply = redis.call('ZRANGE', KEYS[1], 0, -1)
  table.insert(reply, 1, redis.call('HGET', KEYS[2], ARGV[3]))
  table.insert(reply, 1, now)
  return reply`;

/**
 * Keys: leases. Arguments: member, lease in ms. Takes or extends each; returns the fences, 0 for one that is
 * another's.
 */
const hold = `#!lua flags=allow-oom
  ${leaseFunctions}
  local now = clock()
  local reply = {}
  for i, key in ipairs(KEYS) do
    local fence, ends, holder = readLease(redis.call('GET', key))
    if holder ~= ARGV[1] then
      if ends > now then fence = 0 else fence = math.max(fence + 1, now) end
    end
    if fence > 0 then redis.call('SET', key, leaseText(fence, now + tonumber(ARGV[2]), ARGV[1])) end
    reply[i] = fence
  end
  return reply`;

/** Keys: leases. Arguments: member. Gives up those that are its own, keeping their fences. */
const release = `#!lua flags=allow-oom
  ${leaseFunctions}
  for _, key in ipairs(KEYS) do
    local fence, _, holder = readLease(redis.call('GET', key))
    if holder == ARGV[1] then redis.call('SET', key, leaseText(fence, 0, '')) end
  end
  return 1`;

/**
 * Keys: stream. Arguments: group. Returns the group's position and how many entries it has read, -1 where
 * Redis cannot tell. A group that is absent is made, at the beginning.
 */
const resume = `#!lua flags=allow-oom
  ${fieldFunction}
  local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
  if groups.err then
    redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM', 'ENTRIESREAD', 0)
    return {'0-0', 0}
  end
  for _, one in ipairs(groups) do
    if field(one, 'name') == ARGV[1] then
      return {field(one, 'last-delivered-id'), field(one, 'entries-read') or -1}
    end
  end
  local about = redis.call('XINFO', 'STREAM', KEYS[1])
  local gone = field(about, 'entries-added') - field(about, 'length')
  redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'ENTRIESREAD', gone)
  return {'0-0', gone}`;

/**
 * Keys: lease, stream. Arguments: member, fence, group, consumer, idle in ms, entries at most. Takes over
 * what other programs have taken from the group by XREADGROUP and left pending for so long; returns these
 * entries. Where nothing is pending, which is the rule, it changes nothing.
 */
const claim = `#!lua flags=allow-oom
  ${leaseFunctions}
  local fence, _, holder = readLease(redis.call('GET', KEYS[1]))
  if holder ~= ARGV[1] or fence ~= tonumber(ARGV[2]) then return {} end
  local pending = redis.pcall('XPENDING', KEYS[2], ARGV[3])
  if pending.err or pending[1] == 0 then return {} end
  local claimed = redis.call(
    'XAUTOCLAIM', KEYS[2], ARGV[3], ARGV[4], ARGV[5], '0-0', 'COUNT', ARGV[6]
  )
  return claimed[2]`;

/**
 * A step under a lease. Keys: lease, stream, exported, failures, ahead, then those of the body. Arguments:
 * member, fence, and the length of what follows of the acknowledgement, which is empty or: group, number of
 * the step, position or nothing, entries read or nothing, and four lists with their lengths in front:
 * entries the position has passed, entries done ahead, entries whose failures are forgotten and claimed
 * entries, and a tenant and mode with a count each. Then the arguments of the body.
 *
 * Returns a list: 0 once the lease is another's or the group is gone, 1 when the step had been done before,
 * 2 and the body's answer otherwise. The body comes first: what it fails to do is not acknowledged.
 */
const fenced = (body: string) => `#!lua flags=allow-oom
  ${leaseFunctions}
  local fence, _, holder = readLease(redis.call('GET', KEYS[1]))
  if holder ~= ARGV[1] or fence ~= tonumber(ARGV[2]) then return {0} end
  local first, size = 4, tonumber(ARGV[3])
  local last = first + size
  local number = fence .. '/' .. (ARGV[first + 1] or '')
  if size > 0 and redis.call('HGET', KEYS[5], 'step') == number then return {1} end
  local function body(KEYS, ARGV) ${body}
  end
  local function from(list, index)
    local rest = {}
    for i = index, #list do rest[#rest + 1] = list[i] end
    return rest
  end
  local answer = body(from(KEYS, 6), from(ARGV, last))
  if size == 0 then return {2, answer} end

  local group, position, read = ARGV[first], ARGV[first + 2], ARGV[first + 3]
  if position ~= '' then
    local count = read ~= '' and {'ENTRIESREAD', read} or {}
    local moved = redis.pcall('XGROUP', 'SETID', KEYS[2], group, position, unpack(count))
    if moved.err then return {0} end
  end
  local at = first + 4
  local function list(use)
    local ends = at + tonumber(ARGV[at])
    for from = at + 1, ends, 1000 do use(from, math.min(from + 999, ends)) end
    at = ends + 1
  end
  list(function(from, to) redis.call('HDEL', KEYS[5], unpack(ARGV, from, to)) end)
  list(function(from, to)
    local pairs = {}
    for i = from, to do pairs[#pairs + 1] = ARGV[i] pairs[#pairs + 1] = '' end
    redis.call('HSET', KEYS[5], unpack(pairs))
  end)
  list(function(from, to) redis.call('HDEL', KEYS[4], unpack(ARGV, from, to)) end)
  list(function(from, to) redis.call('XACK', KEYS[2], group, unpack(ARGV, from, to)) end)
  for i = at, last - 1, 2 do redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 1]) end
  redis.call('HSET', KEYS[5], 'step', number)
  return {2, answer}`;

/** A connection that knows the scripts. Arguments are key count, keys, arguments. */
interface StreamScripts {
  streamsJoin(keyCount: number, ...args: (string | number)[]): Promise<(string | number)[]>;
  streamsHold(keyCount: number, ...args: (string | number)[]): Promise<number[]>;
  streamsRelease(keyCount: number, ...args: (string | number)[]): Promise<number>;
  streamsResume(keyCount: number, ...args: (string | number)[]): Promise<[string, number]>;
  streamsClaim(keyCount: number, ...args: (string | number)[]): Promise<RawEntry[]>;
}

export type ScriptedStreams = StreamsRedis & StreamScripts;

/** Teaches a connection the scripts of groups. */
export function withStreamScripts(redis: StreamsRedis): ScriptedStreams {
  const scripts = { join, hold, release, resume, claim };
  for (const [name, lua] of Object.entries(scripts)) {
    redis.defineCommand(`streams${name.slice(0, 1).toUpperCase()}${name.slice(1)}`, { lua });
  }
  // defineCommand adds the methods that the interface lists.
  return redis as ScriptedStreams;
}

const known = new WeakMap<StreamsRedis, Map<string, string>>();

/** Runs a step under a lease, with the text of its body. */
export async function runFenced(
  redis: StreamsRedis,
  body: string,
  keys: readonly string[],
  values: readonly (string | number)[],
): Promise<readonly [outcome: number, answer?: unknown]> {
  const names = known.get(redis) ?? new Map<string, string>();
  known.set(redis, names);
  let name = names.get(body);
  if (name === undefined) {
    name = `streamsStep${names.size}`;
    names.set(body, name);
    redis.defineCommand(name, { lua: fenced(body) });
  }
  // defineCommand has added a method of this name, and the script answers such a list.
  const commands = redis as unknown as Record<string, (...args: unknown[]) => Promise<[number, unknown]>>;
  const command = commands[name];
  if (command === undefined) throw new Error(`the step ${name} is not known`);
  return command.call(redis, keys.length, ...keys, ...values);
}
