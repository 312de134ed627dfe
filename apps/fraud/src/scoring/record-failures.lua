-- Remembers failed payments for the rules that count them. Repeating it changes nothing: a payment fails
-- once.
--
-- KEYS: the series of failures that are touched.
-- ARGV[1]: JSON {now, retention, failures: [[payment, time, [series, ...]]]}; times in microseconds, `now` 0
-- for this server's clock; series are numbered from 1 in the order of KEYS.

-- Of a key's failures, and of those over their time that leave it at once.
local cap, leaving = 4096, 16
local input = cjson.decode(ARGV[1])
local now = input.now
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

for _, failure in ipairs(input.failures) do
  -- A time ahead of this clock would keep the failure in the window for too long.
  local at = math.min(failure[2], now)
  for _, index in ipairs(failure[3]) do redis.call('ZADD', KEYS[index], 'NX', at, failure[1]) end
end
for _, key in ipairs(KEYS) do
  local past = redis.call('ZCOUNT', key, '-inf', now - input.retention)
  local excess = math.max(redis.call('ZCARD', key) - cap, math.min(past, leaving))
  if excess > 0 then redis.call('ZREMRANGEBYRANK', key, 0, excess - 1) end
  redis.call('PEXPIRE', key, math.ceil(input.retention / 1000) + 1000)
end
return #input.failures
