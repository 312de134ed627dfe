import type { Redis } from "ioredis";
import type { Rate } from "../../http/access.ts";

/**
 * Keys: buckets. Arguments of each: rate a second, burst, tokens wanted ahead of demand, the number of runs,
 * and for each run tokens wanted and how often; less than none are owed, whether there are any or not.
 * Returns of each bucket: tokens left, tokens given ahead, and of each run how often it was served.
 */
const takeTokens = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + time[2] / 1000
  local reply = {}
  local at = 1
  for i = 1, #KEYS do
    local rate, burst = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    local ahead, runs = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    at = at + 4
    local bucket = redis.call('HMGET', KEYS[i], 'tokens', 'at')
    local passed = math.max(0, now - tonumber(bucket[2] or now))
    local tokens = math.min(burst, tonumber(bucket[1] or burst) + passed * rate / 1000)
    local place = #reply + 1
    reply[place], reply[place + 1] = '', 0
    for run = 1, runs do
      local want, times = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
      at = at + 2
      if want < 0 then
        tokens = math.max(-burst, tokens + want * times)
      else
        times = math.max(0, math.min(times, math.floor(tokens / want)))
        tokens = tokens - want * times
      end
      reply[#reply + 1] = times
    end
    ahead = math.max(0, math.min(ahead, math.floor(tokens)))
    tokens = tokens - ahead
    reply[place], reply[place + 1] = string.format('%.6f', tokens), ahead
    redis.call('HSET', KEYS[i], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.3f', now))
    redis.call('PEXPIRE', KEYS[i], math.ceil((burst - tokens) * 1000 / rate) + 1000)
  end
  return reply`;

/** Equal wishes of one bucket, which follow one another. */
export interface Run {
  /** Tokens of each wish; below 0 they are owed, whether there are any or not. */
  readonly count: number;
  times: number;
}

export interface BucketWish {
  readonly key: string;
  readonly rate: Rate;
  readonly ahead: number;
  readonly runs: readonly Run[];
}

export interface BucketAnswer {
  readonly left: number;
  readonly ahead: number;
  /** How many wishes of each run were fulfilled. */
  readonly served: readonly number[];
}

export type TakeTokens = (wishes: readonly BucketWish[]) => Promise<BucketAnswer[]>;

interface ScriptedRedis extends Redis {
  authTakeTokens(keyCount: number, ...args: (string | number)[]): Promise<(number | string)[]>;
}

/** Takes tokens from shared buckets in one call. Throws while Redis is away. */
export function tokenScript(connection: Redis): TakeTokens {
  connection.defineCommand("authTakeTokens", { lua: takeTokens });
  // defineCommand has just added the method that the interface lists.
  const redis = connection as ScriptedRedis;
  return async (wishes) => {
    const args = wishes.flatMap(({ rate, ahead, runs }) => [
      ...[rate.requests_per_second, rate.burst, ahead, runs.length],
      ...runs.flatMap(({ count, times }) => [count, times]),
    ]);
    const reply = await redis.authTakeTokens(wishes.length, ...wishes.map(({ key }) => key), ...args);
    let at = 0;
    return wishes.map(({ runs }) => {
      const [left, ahead, ...served] = reply.slice(at, at + 2 + runs.length).map(Number);
      at += 2 + runs.length;
      return { left: left ?? 0, ahead: ahead ?? 0, served };
    });
  };
}
