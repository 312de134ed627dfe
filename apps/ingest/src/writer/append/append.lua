#!lua
-- Stores events: remembers their ids, gives them their merchants' next sequence numbers, and appends them to
-- their streams, in one step.
--
-- KEYS: streams of events. What else belongs to a partition is named like its stream, up to the last word.
-- ARGV[1]: MessagePack: how long a slice is in ms, 1 on a cluster, then for each key a list: how many events
--   it has, and its runs, one after the other: tenant, mode, merchant, 1 where it counts as known in any case,
--   or 2 where its events are the platform's own and do not count against the tenant either, how many events
--   follow, and of each the fingerprint of its id (8 bytes), the same as a number, that of its body (4 bytes),
--   and its id.
-- ARGV[2] and so on: the events' texts, in the same order.
-- Answer: for each key a text: id of the first stored entry (the others follow it by one), a letter for each
--   event where not all were stored, and for each run its merchant's last sequence number before; or "!" and an
--   error. Letters: s stored, d repeated, c conflicting, m of a merchant that is not known.
--
-- This runs tens of thousands of times a second, and each call of Redis's has its cost: none is made that
-- another could spare. How ids are remembered: docs/decisions/0019-ingest-writer.md.

local call, try, format, floor, concat = redis.call, redis.pcall, string.format, math.floor, table.concat
-- Slices that are asked besides the present one, ids that fill a bucket and those that a new slice gives room
-- for, buckets of a first table (each event asks every table, so that few are better than small ones), and
-- those that are counted to learn how full a table is.
local kept, full, aimed, least, counted = 3, 128, 100, 1024, 32
-- Values longer than 64 bytes make Redis look a merchant up by its hash; else it reads up to 512 in turn.
local about = 'The last sequence number given to an event of each merchant, by tenant/mode/merchant.'

local input = cmsgpack.unpack(ARGV[1])
local time = call('TIME')
local seconds = tonumber(time[1])
local slice = floor((seconds * 1000 + floor(time[2] / 1000)) / input[1])
local isCluster = input[2] == 1
-- One call in some looks how full a bucket is: early enough, since no limit is near.
local isLooking = time[2] % 8 == 0

-- The month as 2026-11, from the days since 1970 (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
local function monthOf(days)
  local z = days + 719468
  local era = floor(z / 146097)
  local doe = z - era * 146097
  local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
  local mp = floor((5 * (doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))) + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  return format('%d-%02d', yoe + era * 400 + (month <= 2 and 1 or 0), month)
end
local month = monthOf(floor(seconds / 86400))

local function bucketsFor(seen, tables)
  local former, sum = tables[#tables], 0
  for bucket = 0, counted - 1 do
    sum = sum + call('HLEN', format('%s:%d.%d.%d', seen, former[1], former[2], bucket))
  end
  local buckets = former[3] * sum / (counted * aimed)
  for index = 1, #tables - 1 do
    if tables[index][1] == former[1] then buckets = buckets + tables[index][3] end
  end
  return math.max(least, floor(buckets))
end

-- The tables that remember the partition's ids, oldest first: slice, number within it, buckets.
local function tablesOf(seen, packed)
  local tables = packed and cmsgpack.unpack(packed) or {}
  local newest = tables[#tables]
  -- Where the clock went back, the slice that it had reached goes on.
  if not newest or newest[1] < slice then
    tables[#tables + 1] = { slice, 0, newest and bucketsFor(seen, tables) or least }
    call('SET', seen, cmsgpack.pack(tables))
  end
  return tables
end

local function grow(seen, tables)
  local newest = tables[#tables]
  tables[#tables + 1] = { newest[1], newest[2] + 1, newest[3] * 2 }
  call('SET', seen, cmsgpack.pack(tables))
end

-- Of the partition that is being stored: its stream and tables, the first of these that is asked, how the
-- names of their buckets start, the bucket that took the last id, the first entry's id, what asks for the
-- following one, and why nothing more can be stored.
local stream, seen, tables, first, starts, bucket, entry, following, failure

-- What is known of an id: its body's fingerprint, or nothing, and then it is remembered. While a slot of a
-- cluster moves, any key may be gone already: an error here is no error of the script.
local function recall(id, hash, body)
  for index = first, #tables - 1 do
    local known = try('HGET', format('%s%d', starts[index], hash % tables[index][3]), id)
    if type(known) == 'table' then failure = known.err end
    if known then return known end
  end
  local key = format('%s%d', starts[#tables], hash % tables[#tables][3])
  local added = try('HSETNX', key, id, body)
  if added == 1 then
    bucket = key
  elseif added == 0 then
    return call('HGET', key, id)
  else
    failure = added.err
  end
end

local function append(tenant, mode, merchant, sequence, id, text)
  if entry and not following then following = string.match(entry, '^%d+-') .. '*' end
  local added = try(
    'XADD', stream, following or '*', 'tenant', tenant, 'mode', mode, 'merchant', merchant,
    'sequence', sequence, 'id', id, 'event', text
  )
  if type(added) == 'table' then
    failure = added.err
  elseif not entry then
    entry = added
  end
end

-- Events that were stored, by the names of their counts.
local counts = {}

local function count(name, stored)
  counts[name] = (counts[name] or 0) + stored
end

-- Where earlier runs have led merchants that have several. The other tables are each partition's in turn: its
-- runs' names and places, what is written of sequences, and the answer.
local latest, names, places, touched, answer = {}, {}, {}, {}, {}

-- Finds names and places of a partition's runs; returns how many there are.
local function find(runs)
  local size, place, tenant = 0, 2, runs[2]
  while tenant do
    size = size + 1
    names[size], places[size] = tenant .. '/' .. runs[place + 1] .. '/' .. runs[place + 2], place
    place = place + 5 + 4 * runs[place + 4]
    tenant = runs[place]
  end
  return size
end

-- Letters are kept from the first event on that was not stored.
local function mark(letters, place, letter)
  if not letters then
    letters = {}
    for index = 1, place - 1 do letters[index] = 's' end
  end
  letters[place] = letter
  return letters
end

local function store(base, runs, at, packed)
  local sequences = base .. 'sequences'
  local size = find(runs)
  local last = call('HMGET', sequences, unpack(names, 1, size))
  -- While the slot moves this may be gone: found now, before anything was written.
  if isCluster then call('HLEN', base .. 'usage:' .. month) end
  stream, seen = base .. 'events', base .. 'seen'
  tables = tablesOf(seen, packed)
  first = #tables
  local present = tables[first]
  while first > 1 and tables[first - 1][1] >= present[1] - kept do first = first - 1 end
  starts = {}
  for index = first, #tables do
    starts[index] = format('%s:%d.%d.', seen, tables[index][1], tables[index][2])
  end
  bucket, entry, following, failure = nil, nil, nil, nil

  local from, letters, changes = at, nil, 0
  for run = 1, size do
    local name, place = names[run], places[run]
    local tenant, mode, merchant, kind = runs[place], runs[place + 1], runs[place + 2], runs[place + 3]
    local before = latest[name] or last[run] or '0'
    local sequence, reached = tonumber(before), before
    local isKnown = before ~= '0' or kind > 0
    for j = place + 5, place + 4 + 4 * runs[place + 4], 4 do
      at = at + 1
      local letter = 'm'
      if isKnown and not failure then
        local id, body = runs[j], runs[j + 2]
        local known = recall(id, runs[j + 1], body)
        if known then
          letter = known == body and 'd' or 'c'
        elseif not failure then
          local text = format('%d', sequence + 1)
          append(tenant, mode, merchant, text, runs[j + 3], ARGV[at])
          if failure then
            -- An id whose event is not stored must not be remembered: its repeat would be refused.
            call('HDEL', bucket, id)
          else
            letter, sequence, reached = 's', sequence + 1, text
          end
        end
      end
      if letters or letter ~= 's' then letters = mark(letters, at - from, letter) end
    end
    answer[run + 2] = before
    if reached ~= before then
      latest[name] = reached
      touched[changes + 1], touched[changes + 2] = name, reached
      changes = changes + 2
      if before == '0' then call('HSETNX', sequences, 'about', about) end
      local stored = sequence - tonumber(before)
      count(tenant .. '/' .. mode, stored)
      if kind == 2 then count(tenant .. '/' .. mode .. '/platform', stored) end
    end
  end
  if changes > 0 then
    call('HSET', sequences, unpack(touched, 1, changes))
    if isLooking and call('HLEN', bucket) >= full then grow(seen, tables) end
  end
  if failure then return '!' .. failure end
  answer[1], answer[2] = entry or '-', letters and concat(letters) or '-'
  return concat(answer, ' ', 1, size + 2)
end

-- The last word of a stream's name is "events".
local bases, remembered = {}, {}
for index = 1, #KEYS do
  bases[index] = string.sub(KEYS[index], 1, -7)
  remembered[index] = bases[index] .. 'seen'
end
local packs = try('MGET', unpack(remembered))

local answers, at = {}, 1
for index = 1, #KEYS do
  local runs = input[index + 2]
  local isDone, told = false, packs
  -- One partition's fault is not that of the others.
  if not packs.err then isDone, told = pcall(store, bases[index], runs, at, packs[index]) end
  answers[index] = isDone and told or '!' .. (type(told) == 'table' and told.err or tostring(told))
  at = at + runs[1]
end

-- What counts is the sum over all partitions: one is enough to write it to.
local columns, sums = {}, {}
for name in pairs(counts) do columns[#columns + 1] = name end
if #columns > 0 then
  local usage = bases[1] .. 'usage:' .. month
  local before = call('HMGET', usage, unpack(columns))
  for index, name in ipairs(columns) do
    sums[2 * index - 1] = name
    sums[2 * index] = format('%d', (before[index] or 0) + counts[name])
  end
  call('HSET', usage, unpack(sums))
end
return answers
