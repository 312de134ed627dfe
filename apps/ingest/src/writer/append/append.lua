#!lua
-- Stores events: remembers their ids, gives them their merchants' next sequence numbers, and appends them to
-- their streams, in one step.
--
-- KEYS: streams of events. What else belongs to a partition is named like its stream, up to the last word.
-- ARGV[1]: MessagePack: how long a slice is in ms, then for each key a list of merchants, each a list of
--   tenant, mode, merchant, 1 where it counts as known in any case, or 2 where its events are the platform's
--   own and do not count against the tenant either, then for each of its events the fingerprint of its id
--   (8 bytes), that of its body (4 bytes), and its id.
-- ARGV[2] and so on: the events' texts, in the same order.
-- Answer: for each key a text: id of the first stored entry (the others follow it by one), a letter for each
--   event where not all were stored, and for each merchant its last sequence number before; or "!" and an
--   error. Letters: s stored, d repeated, c conflicting, m of a merchant that is not known.
--
-- How ids are remembered: docs/decisions/0013-ingest-writer.md.

local call, format, floor, concat = redis.call, string.format, math.floor, table.concat
-- Slices that are asked besides the present one, ids that fill a bucket, buckets of a first table, and those
-- that are counted to learn how full a table is.
local kept, full, least, counted = 3, 128, 256, 32
-- Names longer than 64 bytes make Redis look a merchant up by its hash; else it reads up to 512 in turn.
local about = 'The last sequence number given to an event of each merchant, by tenant/mode/merchant.'

local input = cmsgpack.unpack(ARGV[1])
local time = call('TIME')
local seconds = tonumber(time[1])
local slice = floor((seconds * 1000 + floor(time[2] / 1000)) / input[1])

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
  local buckets = former[3] * sum / (counted * 100)
  for index = 1, #tables - 1 do
    if tables[index][1] == former[1] then buckets = buckets + tables[index][3] end
  end
  return math.max(least, floor(buckets))
end

-- The tables that remember the partition's ids, oldest first: slice, number within it, buckets.
local function tablesOf(seen)
  local packed = call('GET', seen)
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

local function store(base, merchants, at)
  local stream, sequences, seen = base .. 'events', base .. 'sequences', base .. 'seen'
  local usage = base .. 'usage:' .. month
  local names = {}
  for i = 1, #merchants do
    local merchant = merchants[i]
    names[i] = concat({ merchant[1], merchant[2], merchant[3] }, '/')
  end
  local last = call('HMGET', sequences, unpack(names))
  -- What cannot be written is found now, before anything was.
  call('XLEN', stream)
  call('HLEN', usage)
  local tables = tablesOf(seen)
  local first, prefixes = #tables, {}
  for index = 1, #tables do
    prefixes[index] = format('%s:%d.%d.', seen, tables[index][1], tables[index][2])
    if tables[index][1] >= tables[#tables][1] - kept and index < first then first = index end
  end
  local newest, buckets = prefixes[#tables], tables[#tables][3]

  local letters, answer, stored, counts, touched = {}, { '-', '-' }, 0, {}, {}
  local isWhole, isNew, milliseconds, number, failure, bucket = true, false, nil, nil, nil, nil

  -- An answer, or nothing where it is an error: while a slot of a cluster moves, any key may be gone already.
  local function ask(...)
    local reply = redis.pcall(...)
    if type(reply) ~= 'table' then return reply end
    failure = reply.err
  end

  -- What is known of an id: its body's fingerprint, or nothing, and then it is remembered.
  local function recall(id, body)
    local a, b, c, d = string.byte(id, 1, 4)
    local hash = a * 16777216 + b * 65536 + c * 256 + d
    for index = first, #tables - 1 do
      local known = ask('HGET', format('%s%d', prefixes[index], hash % tables[index][3]), id)
      if known or failure then return known end
    end
    local key = format('%s%d', newest, hash % buckets)
    local added = ask('HSETNX', key, id, body)
    if failure then return end
    bucket = key
    if added == 0 then return call('HGET', key, id) end
  end

  local function append(merchant, sequence, id, text)
    local name = milliseconds and format('%s%d', milliseconds, number + 1) or '*'
    local entry = redis.pcall(
      'XADD', stream, name, 'tenant', merchant[1], 'mode', merchant[2], 'merchant', merchant[3],
      'sequence', format('%d', sequence), 'id', id, 'event', text
    )
    if type(entry) == 'table' then return entry.err end
    if milliseconds then
      number = number + 1
    else
      local left, right = string.match(entry, '^(%d+-)(%d+)$')
      milliseconds, number, answer[1] = left, tonumber(right), entry
    end
  end

  for i = 1, #merchants do
    local merchant = merchants[i]
    local before = tonumber(last[i] or 0)
    local sequence = before
    local isKnown = last[i] or merchant[4] > 0
    for j = 5, #merchant, 3 do
      at = at + 1
      local letter = 'm'
      if isKnown and not failure then
        local id, body = merchant[j], merchant[j + 1]
        local known = recall(id, body)
        if known then
          letter = known == body and 'd' or 'c'
        elseif not failure then
          letter = 's'
          failure = append(merchant, sequence + 1, merchant[j + 2], ARGV[at])
          -- An id whose event is not stored must not be remembered: its repeat would be refused.
          if failure then call('HDEL', bucket, id) else sequence = sequence + 1 end
        end
      end
      letters[#letters + 1] = letter
      isWhole = isWhole and letter == 's'
    end
    answer[#answer + 1] = format('%d', before)
    if sequence > before then
      touched[#touched + 1] = names[i]
      touched[#touched + 1] = format('%d', sequence)
      isNew = isNew or not last[i]
      stored = stored + sequence - before
      local tenant = merchant[1] .. '/' .. merchant[2]
      counts[tenant] = (counts[tenant] or 0) + sequence - before
      if merchant[4] == 2 then
        local own = tenant .. '/platform'
        counts[own] = (counts[own] or 0) + sequence - before
      end
    end
  end
  if stored > 0 then
    if isNew then call('HSETNX', sequences, 'about', about) end
    call('HSET', sequences, unpack(touched))
    for tenant, count in pairs(counts) do call('HINCRBY', usage, tenant, format('%d', count)) end
    if call('HLEN', bucket) >= full then grow(seen, tables) end
  end
  if failure then return '!' .. failure end
  if not isWhole then answer[2] = concat(letters) end
  return concat(answer, ' ')
end

local answers, at = {}, 1
for index = 1, #KEYS do
  local merchants = input[index + 1]
  -- The last word is "events"; one partition's fault is not that of the others.
  local isDone, answer = pcall(store, string.sub(KEYS[index], 1, -7), merchants, at)
  answers[index] = isDone and answer or '!' .. (type(answer) == 'table' and answer.err or tostring(answer))
  for i = 1, #merchants do at = at + (#merchants[i] - 4) / 3 end
end
return answers
