import type { Redis } from "ioredis";
import { coalesce } from "../../concurrency/coalesce.ts";
import type { Rate, RateDecision, RateLimiter } from "../../http/access.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { type BucketWish, type Run, type TakeTokens, tokenScript } from "./take-tokens.ts";
import { rateHeaders, refill, type TokenBucket, waitMs } from "./token-bucket.ts";

export interface RateLimiterOptions {
  /** A connection to the cache Redis that fails at once while Redis is away. */
  readonly redis: Redis;
  readonly metrics: Metrics;
  /** What is counted: each kind has buckets of its own. Requests when left out. */
  readonly counted?: "requests" | "events";
}

/** A limiter whose allowances can also be charged for what was done already. */
export interface ChargingRateLimiter extends RateLimiter {
  /** Takes tokens whether there are any or not: what is owed is paid back before the next is given. */
  charge(allowance: string, rate: Rate, count: number): void;
}

/** What this process knows of one bucket. Times are monotonic milliseconds. */
interface Share {
  readonly rate: Rate;
  /** Tokens taken from the shared bucket ahead of demand, good until `endsAt`. */
  tokens: number;
  endsAt: number;
  /** What the shared bucket still held, and when at the latest. */
  left: number;
  leftAt: number;
  /** Tokens asked for in the present and the last window, for the size of the next advance. */
  windowStart: number;
  demand: number;
  lastDemand: number;
  /** Used alone while Redis is away. */
  readonly local: TokenBucket;
}

const windowMs = 100;
const maxShares = 20_000;
/** After a failure Redis is not asked for this long, so that requests do not each wait for its time-out. */
const redisPauseMs = 500;

const keyPrefixes = { requests: "payflow:rate:", events: "payflow:event-rate:" };

/**
 * One token bucket an allowance in the cache Redis, shared by all replicas of all apps. A busy tenant's
 * process takes some tokens ahead; never more is let through than the bucket gave (decision 0006). While
 * Redis is away each process keeps the rates by itself.
 */
export function createRateLimiter(options: RateLimiterOptions): ChargingRateLimiter {
  const counted = options.counted ?? "requests";
  const take = tokenScript(options.redis);
  const refusals = options.metrics.counter(
    "payflow_rate_limited_total",
    "Requests refused for their tenant's rate, or that of open registration.",
  );
  const shareOf = shareTable();
  let pausedUntil = 0;

  const lease = coalesce<Wanted, boolean>({
    maxBatch: 1_000,
    isOutage: () => true,
    run: (wanted) => leaseTokens(take, keyPrefixes[counted], wanted),
  });

  function allow(share: Share, tokens: number): RateDecision {
    return { isAllowed: true, headers: rateHeaders(share.rate, tokens, { counted }) };
  }

  function refuse(share: Share, tokens: number, count: number): RateDecision {
    refusals.inc();
    const retryAfterMs = waitMs(tokens, share.rate.requests_per_second, count);
    return { isAllowed: false, headers: rateHeaders(share.rate, tokens, { counted, retryAfterMs }) };
  }

  function takeLocally({ share, count }: Wanted): RateDecision {
    const { requests_per_second: perSecond, burst } = share.rate;
    refill(share.local, performance.now(), perSecond, burst);
    if (count > 0 && share.local.tokens < count) return refuse(share, share.local.tokens, count);
    share.local.tokens = Math.max(-burst, share.local.tokens - Math.abs(count));
    return allow(share, share.local.tokens);
  }

  async function takeShared(wanted: Wanted): Promise<RateDecision> {
    let isAllowed: boolean;
    try {
      isAllowed = await lease(wanted);
    } catch {
      pausedUntil = performance.now() + redisPauseMs;
      return takeLocally(wanted);
    }
    const { share, count } = wanted;
    return isAllowed ? allow(share, share.left + share.tokens) : refuse(share, share.left, count);
  }

  return {
    take(allowance, rate, count = 1) {
      const now = performance.now();
      const share = shareOf(allowance, rate, now);
      countDemand(share, now, count);
      if (share.tokens >= count && now < share.endsAt) {
        share.tokens -= count;
        return allow(share, share.left + share.tokens);
      }
      const wanted = { allowance, share, count };
      if (now < pausedUntil) return takeLocally(wanted);
      // Others may have taken from the bucket since, but nobody has filled it faster than its rate.
      const most = share.left + ((now - share.leftAt) * rate.requests_per_second) / 1_000;
      return most < count ? refuse(share, most, count) : takeShared(wanted);
    },
    charge(allowance, rate, count) {
      const now = performance.now();
      const wanted = { allowance, share: shareOf(allowance, rate, now), count: -count };
      if (now < pausedUntil) takeLocally(wanted);
      else void takeShared(wanted);
    },
  };
}

/** Finds what is known of an allowance's bucket; a changed rate begins anew. */
function shareTable(): (allowance: string, rate: Rate, now: number) => Share {
  const shares = new Map<string, Share>();
  return (allowance, rate, now) => {
    const known = shares.get(allowance);
    if (known !== undefined && isSameRate(known.rate, rate)) return known;
    const share = newShare(rate, now);
    shares.delete(allowance);
    shares.set(allowance, share);
    const oldest = shares.keys().next();
    if (shares.size > maxShares && oldest.done !== true) shares.delete(oldest.value);
    return share;
  };
}

function newShare(rate: Rate, now: number): Share {
  return {
    rate,
    tokens: 0,
    endsAt: 0,
    left: rate.burst,
    leftAt: now,
    windowStart: now,
    demand: 0,
    lastDemand: 0,
    local: { tokens: rate.burst, atMs: now },
  };
}

interface Wanted {
  readonly allowance: string;
  readonly share: Share;
  /** Tokens; below 0 they are owed. */
  readonly count: number;
}

/** What waits for one bucket: each wish by its run, in the order of the wishes. */
interface Waiting {
  readonly wish: BucketWish & { readonly runs: Run[] };
  readonly runOf: number[];
}

/**
 * Takes tokens for all that wait, and the advance of each share, in one call; whether each got what it
 * wanted.
 */
async function leaseTokens(take: TakeTokens, prefix: string, wanted: readonly Wanted[]): Promise<boolean[]> {
  const waiting = new Map<Share, Waiting>();
  for (const { allowance, share, count } of wanted) {
    let group = waiting.get(share);
    if (group === undefined) {
      const wish = { key: `${prefix}${allowance}`, rate: share.rate, ahead: advance(share), runs: [] };
      group = { wish, runOf: [] };
      waiting.set(share, group);
    }
    const { runs } = group.wish;
    const last = runs.at(-1);
    if (last?.count === count) last.times += 1;
    else runs.push({ count, times: 1 });
    group.runOf.push(runs.length - 1);
  }
  const askedAt = performance.now();
  const answers = await take([...waiting.values()].map(({ wish }) => wish));
  const now = performance.now();
  const served = new Map<Share, number[]>();
  for (const [index, share] of [...waiting.keys()].entries()) {
    const answer = answers[index];
    if (answer === undefined) continue;
    share.left = answer.left;
    share.leftAt = askedAt;
    share.tokens = answer.ahead + (now < share.endsAt ? share.tokens : 0);
    share.endsAt = now + windowMs;
    served.set(share, [...answer.served]);
  }
  return wanted.map(({ share }) => {
    const run = waiting.get(share)?.runOf.shift() ?? 0;
    const rest = served.get(share);
    const left = rest?.[run] ?? 0;
    if (rest === undefined || left < 1) return false;
    rest[run] = left - 1;
    return true;
  });
}

function countDemand(share: Share, now: number, count: number): void {
  const passed = now - share.windowStart;
  if (passed >= windowMs) {
    share.lastDemand = passed < 2 * windowMs ? share.demand : 0;
    share.demand = 0;
    share.windowStart = now;
  }
  share.demand += count;
}

function advance(share: Share): number {
  const expected = Math.max(share.demand, share.lastDemand);
  const { requests_per_second: perSecond, burst } = share.rate;
  return Math.floor(Math.min(expected, perSecond / 20, burst / 20));
}

function isSameRate(left: Rate, right: Rate): boolean {
  return left.requests_per_second === right.requests_per_second && left.burst === right.burst;
}
