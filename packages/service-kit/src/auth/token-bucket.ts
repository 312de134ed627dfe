import type { Rate } from "../http/access.ts";

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

/** Milliseconds until the next whole token; 0 where there is one. */
export function waitMs(tokens: number, perSecond: number): number {
  return tokens >= 1 ? 0 : ((1 - tokens) * 1_000) / perSecond;
}

/**
 * `RateLimit-Policy`, `RateLimit` and, for a refusal, `Retry-After`
 * (draft-ietf-httpapi-ratelimit-headers-09): the quota is the burst, its window the time in which an empty
 * bucket fills up, in whole seconds.
 */
export function rateHeaders(limits: Rate, tokens: number, retryAfterMs?: number): Record<string, string> {
  const { requests_per_second: perSecond, burst } = limits;
  const left = Math.max(0, Math.min(burst, Math.floor(tokens)));
  const headers: Record<string, string> = {
    "ratelimit-policy": `"requests";q=${burst};w=${Math.ceil(burst / perSecond)}`,
    ratelimit: `"requests";r=${left};t=${Math.ceil((burst - left) / perSecond)}`,
  };
  if (retryAfterMs !== undefined)
    headers["retry-after"] = String(Math.max(1, Math.ceil(retryAfterMs / 1_000)));
  return headers;
}
