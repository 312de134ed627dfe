#!lua
-- Counts merchants among a tenant's while there is room.
--
-- KEYS[1]: the tenant's merchants. ARGV[1]: how many it may have; ARGV[2] and so on: merchants.
-- Answer: 1 for each that is among them now, 0 for each that is one too many.

local room = tonumber(ARGV[1]) - redis.call('SCARD', KEYS[1])
local answer = {}
for index = 2, #ARGV do
  local isKnown = redis.call('SISMEMBER', KEYS[1], ARGV[index]) == 1
  if not isKnown and room > 0 then
    redis.call('SADD', KEYS[1], ARGV[index])
    room = room - 1
    isKnown = true
  end
  answer[index - 1] = isKnown and 1 or 0
end
return answer
