import type { Mode } from "@payflow/contracts/access.ts";
import { DomainError, unavailable } from "@payflow/contracts/errors.ts";
import { type KeyRecord, maxVerifyBatch, type VerifiedKey } from "@payflow/contracts/internal-tenant.ts";
import { coalesce } from "../concurrency/coalesce.ts";
import type { Authenticator, KnownKey } from "../http/access.ts";
import type { Logger } from "../telemetry/logging.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { apiKeyMode, hashApiKey } from "./api-key.ts";
import { provenForMs } from "./cache-layout.ts";
import { ChangeFeed } from "./change-feed.ts";
import type { CachedKeys, KeyCache } from "./key-cache.ts";
import { KeyEntries, type KeyEntry } from "./key-entries.ts";

/**
 * Asks the tenant app itself what keys stand for, by their SHA-256 in hex; null for a key that was never
 * made. Throws when there is no answer within `askTimeoutMs`.
 */
export type AskTenant = (keys: readonly string[]) => Promise<readonly (VerifiedKey | null)[]>;

/** An answer may serve the requests that waited for it up to this age, so a later one is of no use. */
export const askTimeoutMs = 800;

export interface AuthenticatorOptions {
  readonly ask: AskTenant;
  readonly cache: KeyCache;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Keys remembered in this process. */
  readonly maxEntries?: number;
  /** How often this process tells which keys were used. */
  readonly markUsedEveryMs?: number;
}

export interface RunningAuthenticator extends Required<Authenticator> {
  close(): Promise<void>;
}

/**
 * Tells what an API key stands for: from this process's memory, else the cache Redis, else the tenant app. A
 * revocation, a suspension and a changed limit count everywhere within a second, whatever is lost or away;
 * when nobody can vouch for a record it is `unavailable`, never granted: decision 0007.
 */
export function createAuthenticator(options: AuthenticatorOptions): RunningAuthenticator {
  const entries = new KeyEntries(options.maxEntries ?? 10_000);
  const feed = new ChangeFeed({
    cache: options.cache,
    onChange: (subject, number, now) => entries.noteChange(subject, number, now),
  });
  const lookups = options.metrics.counter("payflow_auth_lookups_total", "Where keys were looked up.", [
    "source",
  ]);
  options.metrics.gauge("payflow_auth_feed_age_seconds", "Age of what is known of changes.", [], (gauge) =>
    gauge.set(Math.min(performance.now() - feed.provenAt, 3_600_000) / 1_000),
  );
  const source = keySource(options, entries, feed, lookups);
  const pending = new Map<string, Promise<KeyEntry | null>>();
  const used = new Set<string>();
  feed.start();
  const marking = setInterval(() => {
    const keyIds = [...used];
    used.clear();
    for (let from = 0; from < keyIds.length; from += 1_000) {
      // The time of last use is a convenience: with Redis away it may stay behind.
      void options.cache.markUsed(keyIds.slice(from, from + 1_000)).catch(() => {});
    }
  }, options.markUsedEveryMs ?? 10_000);
  marking.unref();

  function load(sha256: string): Promise<KeyEntry | null> {
    let loading = pending.get(sha256);
    if (loading === undefined) {
      loading = source(sha256).finally(() => pending.delete(sha256));
      pending.set(sha256, loading);
    }
    return loading;
  }

  function admit(entry: KeyEntry | null, mode: Mode): KnownKey {
    if (entry === null || entry.record.mode !== mode) throw new DomainError("invalid_api_key");
    const context = grant(entry);
    if (used.size < 100_000) used.add(context.keyId);
    return context;
  }

  return {
    recall(apiKey) {
      const entry = entries.find(hashApiKey(apiKey), performance.now(), feed);
      // A key that is known by its hash is well-formed, and its record's mode is its own.
      if (entry !== undefined) return admit(entry, entry.record.mode);
      wellFormedMode(apiKey);
      return undefined;
    },
    async authenticate(apiKey) {
      const mode = wellFormedMode(apiKey);
      const sha256 = hashApiKey(apiKey);
      return admit(entries.find(sha256, performance.now(), feed) ?? (await load(sha256)), mode);
    },
    async close() {
      clearInterval(marking);
      await feed.close();
    },
  };
}

function wellFormedMode(apiKey: string): Mode {
  const mode = apiKeyMode(apiKey);
  if (mode === null) throw new DomainError("invalid_api_key");
  return mode;
}

/** The rights of an active, unexpired key of an active tenant. */
function grant(entry: KeyEntry): KnownKey {
  const { record } = entry;
  if (record.status !== "active") throw new DomainError("invalid_api_key");
  if (performance.now() >= entry.validUntil) throw new DomainError("invalid_api_key", "The key has expired.");
  if (record.tenant_status !== "active") throw new DomainError("tenant_suspended");
  return {
    tenantId: record.tenant_id,
    mode: record.mode,
    keyId: record.key_id,
    scopes: record.scopes,
    limits: record.limits,
    currency: record.currency ?? null,
  };
}

type Lookups = { inc(labels: { source: string }): void };

/**
 * Loads an entry that may be used at once: from Redis while the feed of changes is fresh, else from the
 * tenant app.
 */
function keySource(options: AuthenticatorOptions, entries: KeyEntries, feed: ChangeFeed, lookups: Lookups) {
  const read = coalesce<string, { cached: CachedKeys; record: KeyRecord | null }>({
    maxBatch: 100,
    maxInFlight: 4,
    run: async (keys) => {
      const cached = await options.cache.read(keys);
      return keys.map((_, index) => ({ cached, record: cached.records[index] ?? null }));
    },
    isOutage: () => true,
  });
  const known = askLane(options.ask, 10_000);
  // Anybody can make up keys of the right form. They wait apart, and few of them, so that they delay no
  // tenant's key.
  const unknown = askLane(options.ask, 1_000);

  async function fromRedis(sha256: string): Promise<KeyEntry | null> {
    const loadedAt = performance.now();
    const { run, seen } = feed;
    if (loadedAt - feed.provenAt > provenForMs) return null;
    const { cached, record } = await read(sha256);
    // A Redis that came back with less than was seen before has lost tombstones too.
    if (record === null || cached.number < seen) return null;
    const validUntil = validity(
      record.expires_at === null ? null : Date.parse(record.expires_at) - cached.nowMs,
      loadedAt,
    );
    const entry = { record, loadedAt, readAt: Number.NEGATIVE_INFINITY, run, validUntil };
    return entries.isUsable(entry, performance.now(), feed) ? entry : null;
  }

  async function fromTenant(sha256: string): Promise<KeyEntry | null> {
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const { run } = feed;
      const { verified, askedAt } = await (entries.has(sha256) ? known : unknown)(sha256);
      if (verified === null) return null;
      const { record } = verified;
      const validUntil = validity(verified.valid_for_ms, askedAt);
      const entry = { record, loadedAt: askedAt, readAt: askedAt, run, validUntil };
      // A change overtook the answer: the record is from before it.
      if (entries.isOutdated(record)) continue;
      if (performance.now() - askedAt <= askTimeoutMs) return entry;
    }
    throw unavailable("The tenant service");
  }

  return async (sha256: string): Promise<KeyEntry | null> => {
    let entry = await fromRedis(sha256).catch(() => null);
    if (entry !== null) {
      lookups.inc({ source: "redis" });
    } else {
      lookups.inc({ source: "tenant" });
      entry = await fromTenant(sha256).catch((error: unknown) => {
        if (error instanceof DomainError) throw error;
        throw unavailable("The tenant service", 1, error);
      });
    }
    if (entry === null) entries.drop(sha256);
    else entries.put(sha256, entry);
    return entry;
  };
}

/**
 * Joins questions to the tenant app into batches; beyond `maxWaiting` waiting keys the newest is
 * `unavailable`.
 */
function askLane(ask: AskTenant, maxWaiting: number) {
  return coalesce<string, { verified: VerifiedKey | null; askedAt: number }>({
    maxBatch: maxVerifyBatch,
    maxInFlight: 2,
    maxWaiting,
    onFull: () => unavailable("The tenant service"),
    isOutage: () => true,
    run: async (keys) => {
      const askedAt = performance.now();
      const answers = await inTime(ask(keys), askTimeoutMs);
      return keys.map((_, index) => ({ verified: answers[index] ?? null, askedAt }));
    },
  });
}

/** The outcome, or `unavailable` when it is not there in time. */
async function inTime<T>(outcome: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable("The tenant service")), ms);
  });
  try {
    return await Promise.race([outcome, late]);
  } finally {
    clearTimeout(timer);
  }
}

function validity(validForMs: number | null, from: number): number {
  return validForMs === null ? Number.POSITIVE_INFINITY : from + validForMs;
}
