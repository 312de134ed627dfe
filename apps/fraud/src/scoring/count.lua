-- Counts a batch of payments and answers, for each, what its policy's measures see; atomic for all of them.
--
-- KEYS: one marker for each payment, then the keys of all series the batch touches.
-- ARGV[1]: JSON {now, write, marker_ms, series: [[type, retention]], payments: [[policy, adds, reads]]};
-- times in microseconds, `now` 0 for this server's clock; series are numbered from 1 in the order of their
-- keys.
--   adds:  [series, weight or member, ...]
--   reads: [series or 0, window, series of failures or 0, ...]
-- Answer: for each payment its readings, by space; a ratio's as failures:attempts.
--
-- Types of series: 1 totals, 2 distinct values, 3 failures. How they work: docs/decisions/0004-fraud-windows.md.

local cap, half = 4096, 1000000000
-- Entries over their time that leave a series at once: more than come, and never so many that others wait.
local leaving = 16
local input = cjson.decode(ARGV[1])
local count = #input.payments
local now = input.now
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

-- Numbers given to Redis as they are would be written with 17 digits of a fraction's precision, which takes
-- longer than most commands do; here all are whole. Times of a batch recur in every series.
local texts = {}
local function text(whole)
  local known = texts[whole]
  if not known then
    known = string.format('%d', whole)
    texts[whole] = known
  end
  return known
end

local function halves(total)
  local colon = string.find(total, ':', 1, true)
  return tonumber(string.sub(total, 1, colon - 1)), tonumber(string.sub(total, colon + 1))
end

local opened = {}
local function open(index)
  local series = opened[index]
  if series then return series end
  series = { key = KEYS[count + index], type = input.series[index][1], retention = input.series[index][2] }
  series.at, series.high, series.low, series.seen = now, 0, 0, {}
  if series.type == 1 then
    local last = redis.call('ZRANGE', series.key, -1, -1, 'WITHSCORES')
    if last[1] then
      series.high, series.low = halves(last[1])
      -- Entries are in order even when the clock is not.
      series.at = math.max(now, tonumber(last[2]) + 1)
    else
      series.isNew = true
    end
  end
  opened[index] = series
  return series
end

local function add(series, what)
  series.isChanged = true
  if series.type == 1 then
    series.low = series.low + what
    series.high = series.high + math.floor(series.low / half)
    series.low = series.low % half
  elseif input.write then
    redis.call('ZADD', series.key, 'GT', text(series.at), what)
  end
end

-- The running total before the window, the same for the whole batch. Where there is none, as in a longer window
-- then, it is that of the oldest entry.
local function totalBefore(series, window)
  local known = series.seen[window] or (series.isNew and { 0, 0 })
  if known then return known end
  local entry = {}
  if window < (series.reaches or math.huge) then
    entry = redis.call('ZREVRANGEBYSCORE', series.key, text(series.at - window), '-inf', 'LIMIT', 0, 1)
  end
  if entry[1] then
    known = { halves(entry[1]) }
  else
    series.reaches = math.min(series.reaches or window, window)
    if not series.oldest then
      entry = redis.call('ZRANGE', series.key, 0, 0)
      series.oldest = entry[1] and { halves(entry[1]) } or { 0, 0 }
    end
    known = series.oldest
  end
  series.seen[window] = known
  return known
end

local function countSince(series, window)
  return redis.call('ZCOUNT', series.key, '(' .. text(series.at - window), '+inf')
end

local function read(series, window)
  if series.type == 1 then
    local before = totalBefore(series, window)
    return (series.high - before[1]) * half + series.low - before[2]
  end
  if series.type == 2 then return countSince(series, window) end
  local known = series.seen[window]
  if not known then
    known = series.isEmpty and 0 or countSince(series, window)
    series.seen[window] = known
  end
  return known
end

-- Where not all failures are remembered, both parts of a ratio look only as far back as they are.
local function ratioWindow(failures, window)
  if failures.reach == nil then
    failures.reach = false
    local size = redis.call('ZCARD', failures.key)
    failures.isEmpty = size == 0
    if size >= cap then
      failures.reach = failures.at - tonumber(redis.call('ZRANGE', failures.key, 0, 0, 'WITHSCORES')[2]) + 1
    end
  end
  return failures.reach and math.min(window, failures.reach) or window
end

local function readings(reads)
  local values = {}
  for position = 1, #reads, 3 do
    local index, window, failed = reads[position], reads[position + 1], reads[position + 2]
    if failed == 0 then
      values[#values + 1] = string.format('%d', read(open(index), window))
    elseif index == 0 then
      values[#values + 1] = string.format('%d', read(open(failed), window))
    else
      window = ratioWindow(open(failed), window)
      values[#values + 1] = string.format('%d:%d', read(open(failed), window), read(open(index), window))
    end
  end
  return table.concat(values, ' ')
end

local markers = redis.call('MGET', unpack(KEYS, 1, count))
local answers = {}
for position, payment in ipairs(input.payments) do
  local policy, adds, reads = payment[1], payment[2], payment[3]
  local marker = markers[position]
  if marker and string.sub(marker, 1, #policy) == policy then
    answers[position] = string.sub(marker, #policy + 1)
  else
    if not marker then
      for index = 1, #adds, 2 do add(open(adds[index]), adds[index + 1]) end
    end
    answers[position] = readings(reads)
    if input.write and not marker then
      redis.call('SET', KEYS[position], policy .. answers[position], 'PX', input.marker_ms)
    end
  end
end

-- Leaves out entries of the older half where what lies between the two beside it is a small part of its age,
-- as small as frees enough: so every window is right to that part of its length.
local function thin(series)
  local older = redis.call('ZRANGE', series.key, 0, cap / 2, 'WITHSCORES')
  local times = {}
  for index = 2, #older, 2 do times[index / 2] = tonumber(older[index]) end
  local part, dropped = 512, {}
  repeat
    part, dropped = part / 2, {}
    local kept = times[1]
    for index = 2, #times - 1 do
      local following = times[index + 1]
      if (following - kept) * part <= series.at - following then
        dropped[#dropped + 1] = older[2 * index - 1]
      else
        kept = times[index]
      end
    end
  until #dropped >= cap / 8 or part == 1
  if #dropped > 0 then redis.call('ZREM', series.key, unpack(dropped)) end
end

-- All of a batch's series may be due at once: some wait for the next batch, each a little above the cap.
local thinnings = 2

-- A handful of old entries costs less than to look for them each time.
local handful = 8

local function trim(series)
  local size = redis.call('ZCARD', series.key)
  if size <= handful then return end
  local past = redis.call('ZCOUNT', series.key, '-inf', text(series.at - series.retention))
  if past > 1 then
    size = size - redis.call('ZREMRANGEBYRANK', series.key, 0, math.min(past - 1, leaving) - 1)
  end
  if size > cap and thinnings > 0 then
    thinnings = thinnings - 1
    thin(series)
  end
end

local function store(series)
  if series.type == 1 then
    local total = string.format('%d:%d', series.high, series.low)
    if series.isNew then
      redis.call('ZADD', series.key, text(series.at - 1), '0:0', text(series.at), total)
    else
      redis.call('ZADD', series.key, text(series.at), total)
      trim(series)
    end
  else
    local size = redis.call('ZCARD', series.key)
    if size > handful then
      local past = redis.call('ZCOUNT', series.key, '-inf', text(series.at - series.retention))
      local excess = math.max(size - cap, math.min(past, leaving))
      if excess > 0 then redis.call('ZREMRANGEBYRANK', series.key, 0, excess - 1) end
    end
  end
  redis.call('PEXPIRE', series.key, math.ceil(series.retention / 1000) + 1000)
end

if input.write then
  for _, series in pairs(opened) do
    if series.isChanged then store(series) end
  end
end
return answers
