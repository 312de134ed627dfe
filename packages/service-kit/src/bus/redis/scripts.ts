import type { Redis } from "ioredis";
import { leaseFunctions as leaseTexts } from "../../store/redis-lease.ts";
import { fieldFunction, orderFunctions } from "../../store/redis-lua.ts";

/*
 * Redis runs a script as one step. Those with `allow-oom` work above maxmemory too: they are what brings it
 * down again.
 */

const leaseFunctions = `
  ${leaseTexts}
  ${fieldFunction}
  local function lease(leases, partition) return readLease(redis.call('HGET', leases, partition)) end
  local function keep(leases, partition, fence, ends, holder)
    redis.call('HSET', leases, partition, leaseText(fence, ends, holder))
  end
  local function position(stream, group)
    local groups = redis.pcall('XINFO', 'GROUPS', stream)
    if not groups.err then
      for _, one in ipairs(groups) do
        if field(one, 'name') == group then
          return field(one, 'last-delivered-id'), field(one, 'entries-read') or 0
        end
      end
      local about = redis.call('XINFO', 'STREAM', stream)
      local gone = field(about, 'entries-added') - field(about, 'length')
      redis.call('XGROUP', 'CREATE', stream, group, '0', 'ENTRIESREAD', gone)
      return '0-0', gone
    end
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM', 'ENTRIESREAD', 0)
    return '0-0', 0
  end`;

/**
 * Keys: streams. Arguments: number of channels, the channels, then pairs of a key's index and an envelope.
 */
const append = `
  local channels = tonumber(ARGV[1])
  for i = 2 + channels, #ARGV, 2 do
    redis.call('XADD', KEYS[tonumber(ARGV[i])], '*', 'event', ARGV[i + 1])
  end
  for i = 2, 1 + channels do redis.call('PUBLISH', ARGV[i], '') end
  return 1`;

/**
 * Keys: members, leases, streams of the partitions from 0. Arguments: group, member, membership and lease in
 * ms, rotation. Extends what the member holds and takes free partitions up to its even share. Returns how
 * many it holds beyond its share, then partition, fence, position and entries read of each it holds.
 */
const share = `#!lua flags=allow-oom
  ${leaseFunctions}
  local group, me, lasting = ARGV[1], ARGV[2], tonumber(ARGV[3])
  local now = clock()
  redis.call('ZADD', KEYS[1], now + lasting, me)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  local members = redis.call('ZRANGE', KEYS[1], 0, -1)
  table.sort(members)
  local rank = 0
  for i, member in ipairs(members) do if member == me then rank = (i + tonumber(ARGV[4])) % #members end end
  local count = #KEYS - 2
  local quota = math.floor(count / #members)
  if rank < count % #members then quota = quota + 1 end
  local held, free = {}, {}
  for partition = 0, count - 1 do
    local fence, ends, holder = lease(KEYS[2], partition)
    if holder == me then held[#held + 1] = {partition, fence}
    elseif ends <= now then free[#free + 1] = {partition, math.max(fence + 1, now)} end
  end
  for _, one in ipairs(free) do if #held < quota then held[#held + 1] = one end end
  local reply = {math.max(#held - quota, 0)}
  for _, one in ipairs(held) do
    keep(KEYS[2], one[1], one[2], now + lasting, me)
    local id, read = position(KEYS[one[1] + 3], group)
    for _, value in ipairs({one[1], one[2], id, read}) do reply[#reply + 1] = value end
  end
  return reply`;

/**
 * Keys: members, leases. Arguments: member, channel of changes, 1 to leave the group, then partitions to give
 * up.
 */
const release = `#!lua flags=allow-oom
  ${leaseFunctions}
  for i = 4, #ARGV do
    local fence, _, holder = lease(KEYS[2], ARGV[i])
    if holder == ARGV[1] then keep(KEYS[2], ARGV[i], fence, 0, '') end
  end
  if ARGV[3] == '1' then redis.call('ZREM', KEYS[1], ARGV[1]) end
  redis.call('PUBLISH', ARGV[2], '')
  return 1`;

/**
 * Keys: leases, then a stream and its failures per partition. Arguments: group, member, then partition,
 * fence, position and entries read per stream. Forgets the failures of what the position has passed, a
 * bounded number at a time: more than a batch may have, so that none are left in the long run. Returns 1 for
 * each position that was stored, 0 where the lease or the group is gone.
 */
const commit = `#!lua flags=allow-oom
  ${leaseFunctions}
  ${orderFunctions}
  local function forget(failures, position)
    if redis.call('EXISTS', failures) == 0 then return end
    local cursor, looked = '0', 0
    repeat
      local found = redis.call('HSCAN', failures, cursor, 'COUNT', 500)
      local passed = {}
      for i = 1, #found[2], 2 do
        if not before(position, found[2][i]) then passed[#passed + 1] = found[2][i] end
      end
      if #passed > 0 then redis.call('HDEL', failures, unpack(passed)) end
      cursor, looked = found[1], looked + #found[2] / 2
    until cursor == '0' or looked >= 2000
  end
  local reply = {}
  for i = 2, #KEYS, 2 do
    local one = i / 2
    local at = 4 * one - 1
    local fence, _, holder = lease(KEYS[1], ARGV[at])
    reply[one] = 0
    if holder == ARGV[2] and fence == tonumber(ARGV[at + 1]) then
      local done = redis.pcall('XGROUP', 'SETID', KEYS[i], ARGV[1], ARGV[at + 2], 'ENTRIESREAD', ARGV[at + 3])
      if not done.err then
        reply[one] = 1
        forget(KEYS[i + 1], ARGV[at + 2])
      end
    end
  end
  return reply`;

/**
 * Keys: leases, failures, and the dead letters when the entry is buried. Arguments: member, partition, fence,
 * entry id, failure, how long it is kept in ms, then the dead letter's fields. Returns 0 once the lease is
 * another's.
 */
const fail = `#!lua flags=allow-oom
  ${leaseFunctions}
  local fence, _, holder = lease(KEYS[1], ARGV[2])
  if holder ~= ARGV[1] or fence ~= tonumber(ARGV[3]) then return 0 end
  redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
  if #KEYS == 3 then redis.call('XADD', KEYS[3], '*', unpack(ARGV, 7)) end
  return 1`;

/**
 * Keys: dead letters, stream. Arguments: letter's id, group, channel of arrivals. Moves the letter back to
 * its stream, for its group alone. Returns 0 when the letter is gone.
 */
const redrive = `
  local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
  if #found == 0 then return 0 end
  local fields = found[1][2]
  for i = 1, #fields, 2 do
    if fields[i] == 'event' then
      redis.call('XADD', KEYS[2], '*', 'event', fields[i + 1], 'for', ARGV[2])
    end
  end
  redis.call('XDEL', KEYS[1], ARGV[1])
  redis.call('PUBLISH', ARGV[3], '')
  return 1`;

/**
 * Keys: dead letters, streams. Arguments: entries removed a stream at most, dead letters kept for ms, entries
 * without readers kept for ms, declared groups. Removes what every declared group has acknowledged; returns
 * how many entries.
 */
const trim = `#!lua flags=allow-oom
  ${leaseTexts}
  ${fieldFunction}
  ${orderFunctions}
  local now = clock()
  local function cut(stream, id) return redis.call('XTRIM', stream, 'MINID', '~', id, 'LIMIT', ARGV[1]) end
  local removed = cut(KEYS[1], string.format('%d-0', now - tonumber(ARGV[2])))
  for i = 2, #KEYS do
    local groups = redis.pcall('XINFO', 'GROUPS', KEYS[i])
    local slowest = nil
    if not groups.err then
      local positions = {}
      for _, one in ipairs(groups) do
        positions[field(one, 'name')] = field(one, 'last-delivered-id')
      end
      if #ARGV == 3 then slowest = string.format('%d-0', now - tonumber(ARGV[3])) end
      for j = 4, #ARGV do
        local id = positions[ARGV[j]] or '0-0'
        if slowest == nil or before(id, slowest) then slowest = id end
      end
      removed = removed + cut(KEYS[i], slowest)
    end
  end
  return removed`;

/** A connection that knows the scripts. Arguments are key count, keys, arguments. */
export interface ScriptedRedis extends Redis {
  busAppend(keyCount: number, ...args: (string | number)[]): Promise<number>;
  busShare(keyCount: number, ...args: (string | number)[]): Promise<(string | number)[]>;
  busRelease(keyCount: number, ...args: (string | number)[]): Promise<number>;
  busCommit(keyCount: number, ...args: (string | number)[]): Promise<number[]>;
  busFail(keyCount: number, ...args: (string | number)[]): Promise<number>;
  busRedrive(keyCount: number, ...args: (string | number)[]): Promise<number>;
  busTrim(keyCount: number, ...args: (string | number)[]): Promise<number>;
}

/** Teaches a connection the bus's scripts. */
export function withScripts(redis: Redis): ScriptedRedis {
  const scripts = { append, share, release, commit, fail, redrive, trim };
  for (const [name, lua] of Object.entries(scripts)) {
    redis.defineCommand(`bus${name.slice(0, 1).toUpperCase()}${name.slice(1)}`, { lua });
  }
  // defineCommand adds the methods that the interface lists.
  return redis as ScriptedRedis;
}
