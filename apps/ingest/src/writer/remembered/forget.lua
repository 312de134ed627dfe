#!lua flags=allow-oom
-- Removes ids that are remembered no longer, a bounded number of buckets at a time.
--
-- KEYS[1]: the partition's tables of remembered ids. ARGV: how long a slice is in ms, buckets at most.
-- Answer: the buckets that are left to remove.

local kept = 3
local packed = redis.call('GET', KEYS[1])
if not packed then return 0 end
local tables = cmsgpack.unpack(packed)
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000 + math.floor(time[2] / 1000)) / tonumber(ARGV[1]))
local room, left, removed, remaining = tonumber(ARGV[2]), 0, {}, {}
for _, one in ipairs(tables) do
  local slice, number, buckets, done = one[1], one[2], one[3], one[4] or 0
  if slice < now - kept then
    local last = math.min(buckets, done + room)
    for bucket = done, last - 1 do
      removed[#removed + 1] = string.format('%s:%d.%d.%d', KEYS[1], slice, number, bucket)
    end
    room = room - (last - done)
    left = left + buckets - last
    one[4] = last
    if last < buckets then remaining[#remaining + 1] = one end
  else
    remaining[#remaining + 1] = one
  end
end
if #removed > 0 then redis.call('UNLINK', unpack(removed)) end
if #remaining == 0 then
  redis.call('DEL', KEYS[1])
elseif #removed > 0 then
  redis.call('SET', KEYS[1], cmsgpack.pack(remaining))
end
return left
