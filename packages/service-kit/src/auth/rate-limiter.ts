import type { Redis } from "ioredis";
import type { Rate, RateDecision, RateLimiter } from "../http/access.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { coalesce } from "../work/coalesce.ts";
import { rateHeaders, refill, type TokenBucket, waitMs } from "./token-bucket.ts";

/**
 * Keys: buckets. Arguments: tokens wanted, rate a second and burst of each. Returns tokens given and left of
 * each.
 */
const takeTokens = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + time[2] / 1000
  local reply = {}
  for i = 1, #KEYS do
    local want, rate, burst = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    local bucket = redis.call('HMGET', KEYS[i], 'tokens', 'at')
    local passed = math.max(0, now - tonumber(bucket[2] or now))
    local tokens = math.min(burst, tonumber(bucket[1] or burst) + passed * rate / 1000)
    local given = math.min(want, math.floor(tokens))
    tokens = tokens - given
    redis.call('HSET', KEYS[i], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.3f', now))
    redis.call('PEXPIRE', KEYS[i], math.ceil((burst - tokens) * 1000 / rate) + 1000)
    reply[2 * i - 1] = given
    reply[2 * i] = string.format('%.6f', tokens)
  end
  return reply`;

interface ScriptedRedis extends Redis {
  authTakeTokens(keyCount: number, ...args: (string | number)[]): Promise<(number | string)[]>;
}

export interface RateLimiterOptions {
  /** A connection to the cache Redis that fails at once while Redis is away. */
  readonly redis: Redis;
  readonly metrics: Metrics;
}

/** What this process knows of one tenant's bucket. Times are monotonic milliseconds. */
interface Share {
  readonly limits: Rate;
  /** Tokens taken from the shared bucket ahead of demand, good until `endsAt`. */
  tokens: number;
  endsAt: number;
  /** What the shared bucket still held, and until when it has nothing to give. */
  left: number;
  emptyUntil: number;
  /** Requests of the present and the last window, for the size of the next advance. */
  windowStart: number;
  demand: number;
  lastDemand: number;
  /** Used alone while Redis is away. */
  readonly local: TokenBucket;
}

const windowMs = 100;
const maxTenants = 20_000;
/** After a failure Redis is not asked for this long, so that requests do not each wait for its time-out. */
const redisPauseMs = 500;

/**
 * One token bucket a tenant in the cache Redis, shared by all replicas of all apps. A busy tenant's process
 * takes some tokens ahead; never more is let through than the bucket gave (decision 0006). While Redis is
 * away each process keeps the tenant's limits by itself.
 */
export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  options.redis.defineCommand("authTakeTokens", { lua: takeTokens });
  // defineCommand has just added the method that the interface lists.
  const redis = options.redis as ScriptedRedis;
  const refusals = options.metrics.counter(
    "payflow_rate_limited_total",
    "Requests refused for their tenant's rate, or that of open registration.",
  );
  const shares = new Map<string, Share>();
  let pausedUntil = 0;

  const lease = coalesce<Wanted, boolean>({
    maxBatch: 1_000,
    isOutage: () => true,
    run: (wanted) => leaseTokens(redis, wanted),
  });

  function shareOf(tenantId: string, limits: Rate, now: number): Share {
    const known = shares.get(tenantId);
    if (known !== undefined && isSameRate(known.limits, limits)) return known;
    const share = newShare(limits, now);
    shares.delete(tenantId);
    shares.set(tenantId, share);
    const oldest = shares.keys().next();
    if (shares.size > maxTenants && oldest.done !== true) shares.delete(oldest.value);
    return share;
  }

  function refuse(share: Share, tokens: number, forMs: number): RateDecision {
    refusals.inc();
    return { isAllowed: false, headers: rateHeaders(share.limits, tokens, forMs) };
  }

  function takeLocally(share: Share): RateDecision {
    const { requests_per_second: perSecond, burst } = share.limits;
    refill(share.local, performance.now(), perSecond, burst);
    if (share.local.tokens < 1) return refuse(share, 0, waitMs(share.local.tokens, perSecond));
    share.local.tokens -= 1;
    return { isAllowed: true, headers: rateHeaders(share.limits, share.local.tokens) };
  }

  async function takeShared(tenantId: string, share: Share): Promise<RateDecision> {
    let isAllowed: boolean;
    try {
      isAllowed = await lease({ tenantId, share });
    } catch {
      pausedUntil = performance.now() + redisPauseMs;
      return takeLocally(share);
    }
    if (isAllowed) return { isAllowed, headers: rateHeaders(share.limits, share.left + share.tokens) };
    return refuse(share, 0, waitMs(share.left, share.limits.requests_per_second));
  }

  return {
    take(tenantId, limits) {
      const now = performance.now();
      const share = shareOf(tenantId, limits, now);
      countDemand(share, now);
      if (share.tokens >= 1 && now < share.endsAt) {
        share.tokens -= 1;
        return { isAllowed: true, headers: rateHeaders(limits, share.left + share.tokens) };
      }
      if (now < pausedUntil) return takeLocally(share);
      if (now < share.emptyUntil) return refuse(share, 0, share.emptyUntil - now);
      return takeShared(tenantId, share);
    },
  };
}

function newShare(limits: Rate, now: number): Share {
  return {
    limits,
    tokens: 0,
    endsAt: 0,
    left: limits.burst,
    emptyUntil: 0,
    windowStart: now,
    demand: 0,
    lastDemand: 0,
    local: { tokens: limits.burst, atMs: now },
  };
}

interface Wanted {
  readonly tenantId: string;
  readonly share: Share;
}

/**
 * Takes tokens for all that wait, and the advance of each tenant, in one call; whether each request got its
 * token.
 */
async function leaseTokens(redis: ScriptedRedis, wanted: readonly Wanted[]): Promise<boolean[]> {
  const waiting = new Map<Share, { tenantId: string; count: number; given: number }>();
  for (const { tenantId, share } of wanted) {
    const group = waiting.get(share);
    if (group === undefined) waiting.set(share, { tenantId, count: 1, given: 0 });
    else group.count += 1;
  }
  const keys: string[] = [];
  const args: number[] = [];
  for (const [share, { tenantId, count }] of waiting) {
    keys.push(`payflow:rate:${tenantId}`);
    args.push(count + advance(share), share.limits.requests_per_second, share.limits.burst);
  }
  const reply = await redis.authTakeTokens(keys.length, ...keys, ...args);
  const now = performance.now();
  let index = 0;
  for (const [share, group] of waiting) {
    group.given = Number(reply[index]);
    share.left = Number(reply[index + 1]);
    index += 2;
    share.tokens = Math.max(0, group.given - group.count);
    share.endsAt = now + windowMs;
    if (group.given < group.count)
      share.emptyUntil = now + waitMs(share.left, share.limits.requests_per_second);
  }
  return wanted.map(({ share }) => {
    const group = waiting.get(share);
    if (group === undefined || group.given < 1) return false;
    group.given -= 1;
    return true;
  });
}

function countDemand(share: Share, now: number): void {
  const passed = now - share.windowStart;
  if (passed >= windowMs) {
    share.lastDemand = passed < 2 * windowMs ? share.demand : 0;
    share.demand = 0;
    share.windowStart = now;
  }
  share.demand += 1;
}

function advance(share: Share): number {
  const expected = Math.max(share.demand, share.lastDemand) / 4;
  return Math.floor(Math.min(expected, share.limits.requests_per_second / 20, share.limits.burst / 20));
}

function isSameRate(left: Rate, right: Rate): boolean {
  return left.requests_per_second === right.requests_per_second && left.burst === right.burst;
}
