#!lua flags=allow-oom
-- Agrees on what is fixed once the streams are made.
--
-- KEYS[1]: the plan. ARGV: the number of partitions, and a key for fingerprints, where there is none yet.
-- Answer: the plan's number of partitions, the plan's key.

local plan = redis.call('HMGET', KEYS[1], 'partitions', 'fingerprint_key')
if not plan[1] then redis.call('HSET', KEYS[1], 'partitions', ARGV[1]) end
if not plan[2] then redis.call('HSET', KEYS[1], 'fingerprint_key', ARGV[2]) end
return { plan[1] or ARGV[1], plan[2] or ARGV[2] }
