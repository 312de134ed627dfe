import type { Rate } from "../../http/access.ts";

/** A bucket refilled at a steady rate: `tokens` as of `atMs`, which may be any clock's milliseconds. */
export interface TokenBucket {
  tokens: number;
  atMs: number;
}

/** A bucket's tokens at a later moment; never more than `burst`. */
export function refill(bucket: TokenBucket, nowMs: number, perSecond: number, burst: number): void {
  const passedMs = Math.max(0, nowMs - bucket.atMs);
  bucket.tokens = Math.min(burst, bucket.tokens + (passedMs * perSecond) / 1_000);
  bucket.atMs = nowMs;
}

/** Milliseconds until there are so many whole tokens; 0 where there are. */
export function waitMs(tokens: number, perSecond: number, count = 1): number {
  return tokens >= count ? 0 : ((count - tokens) * 1_000) / perSecond;
}

export interface RateTold {
  /** What is counted; requests when left out. */
  readonly counted?: string;
  /** For a refusal. */
  readonly retryAfterMs?: number;
}

/**
 * `RateLimit-Policy`, `RateLimit` and, for a refusal, `Retry-After`
 * (draft-ietf-httpapi-ratelimit-headers-09): the quota is the burst, its window the time in which an empty
 * bucket fills up, in whole seconds.
 */
export function rateHeaders(
  { requests_per_second: perSecond, burst }: Rate,
  tokens: number,
  { counted = "requests", retryAfterMs }: RateTold = {},
): Record<string, string> {
  const left = Math.max(0, Math.min(burst, Math.floor(tokens)));
  const headers: Record<string, string> = {
    "ratelimit-policy": `"${counted}";q=${burst};w=${Math.ceil(burst / perSecond)}`,
    ratelimit: `"${counted}";r=${left};t=${Math.ceil((burst - left) / perSecond)}`,
  };
  if (retryAfterMs !== undefined)
    headers["retry-after"] = String(Math.max(1, Math.ceil(retryAfterMs / 1_000)));
  return headers;
}
