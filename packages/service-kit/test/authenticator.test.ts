import { afterEach, describe, expect, test } from "bun:test";
import { defaultLimits, scopes } from "@payflow/contracts/access.ts";
import type { VerifiedKey } from "@payflow/contracts/internal-tenant.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { hashApiKey, makeApiKey } from "../src/auth/api-key.ts";
import { type AskTenant, createAuthenticator } from "../src/auth/authenticator.ts";
import type { KeyCache, PolledChanges } from "../src/auth/key-cache.ts";
import { createLogger } from "../src/telemetry/logging.ts";
import { Metrics } from "../src/telemetry/metrics.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A cache Redis that is away. The real one stands in the tenant app's tests. */
const away: KeyCache = {
  read: () => Promise.reject(new Error("away")),
  poll: () => Promise.reject(new Error("away")),
  markUsed: () => Promise.reject(new Error("away")),
};

function authenticator(ask: AskTenant, cache = away) {
  const made = createAuthenticator({
    ask,
    cache,
    logger: createLogger("test", "silent"),
    metrics: new Metrics("test"),
  });
  closing.push(made.close);
  return {
    codeOf: (key: string) =>
      made.authenticate(key).then(
        () => "granted",
        (error) => String(error.reason),
      ),
  };
}

const verified = (version = 0, status: "active" | "revoked" = "active"): VerifiedKey => ({
  valid_for_ms: null,
  record: {
    key_id: "key_1",
    tenant_id: "ten_1",
    mode: "live",
    scopes: [...scopes],
    expires_at: null,
    status,
    tenant_status: "active",
    limits: defaultLimits,
    version,
  },
});

describe("the tenant app", () => {
  test("is asked once for many requests with one key, and by its hash alone", async () => {
    const asked: string[] = [];
    const key = makeApiKey("live");
    const { codeOf } = authenticator(async (keys) => {
      asked.push(...keys);
      return keys.map(() => verified());
    });
    const codes = await Promise.all(Array.from({ length: 200 }, () => codeOf(key)));
    expect(new Set(codes)).toEqual(new Set(["granted"]));
    expect(asked).toEqual([hashApiKey(key)]);
  });

  test("is not asked about what cannot be a key", async () => {
    let calls = 0;
    const { codeOf } = authenticator(async (keys) => {
      calls += 1;
      return keys.map(() => null);
    });
    const key = makeApiKey("live");
    for (const text of ["", "x", key.slice(1), `${key.slice(0, -1)}${key.endsWith("a") ? "b" : "a"}`]) {
      expect(await codeOf(text)).toBe("invalid_api_key");
    }
    expect(calls).toBe(0);
  });

  test("is shielded from a flood of made-up keys, which delays no key in use", async () => {
    const tenantKey = makeApiKey("live");
    const known = hashApiKey(tenantKey);
    let inFlight = 0;
    let mostInFlight = 0;
    let largest = 0;
    const held: (() => void)[] = [];
    let isHolding = false;
    const { codeOf } = authenticator(async (keys) => {
      inFlight += 1;
      mostInFlight = Math.max(mostInFlight, inFlight);
      largest = Math.max(largest, keys.length);
      if (isHolding && !keys.includes(known)) await new Promise<void>((resolve) => held.push(resolve));
      inFlight -= 1;
      return keys.map((one) => (one === known ? verified() : null));
    });
    expect(await codeOf(tenantKey)).toBe("granted");
    isHolding = true;
    const flood = Promise.all(Array.from({ length: 4_000 }, () => codeOf(makeApiKey("live"))));
    await eventually(() => held.length === 2);
    // The record in memory is too old by now, so that the tenant app has to be asked in the middle of the
    // flood.
    await Bun.sleep(510);
    expect(await codeOf(tenantKey)).toBe("granted");
    expect(mostInFlight).toBe(3);
    isHolding = false;
    for (const release of held) release();
    const codes = await flood;
    expect(largest).toBe(256);
    expect(codes.filter((code) => code === "granted")).toEqual([]);
    // What found no place to wait was turned away.
    expect(codes.filter((code) => code === "unavailable")).toHaveLength(3_000);
  });

  test("that does not answer in time makes keys unavailable, and a late answer grants nothing", async () => {
    const { codeOf } = authenticator(async (keys) => {
      await Bun.sleep(1_000);
      return keys.map(() => verified());
    });
    expect(await codeOf(makeApiKey("live"))).toBe("unavailable");
  });

  test("is asked again when a change overtook its answer", async () => {
    const key = makeApiKey("live");
    const changes = [{ number: 4, subject: "key_1" }];
    let polled: PolledChanges = { nowMs: 5_000, atMs: 5_000, number: 3, changes: [] };
    let seen = -1;
    const cache: KeyCache = {
      ...away,
      poll: async (after) => {
        seen = after;
        return { ...polled, changes: polled.changes.filter((one) => one.number > after) };
      },
    };
    const answers = [verified(3), verified(4, "revoked")];
    let calls = 0;
    const { codeOf } = authenticator(async (keys) => {
      const answer = answers[calls] ?? null;
      calls += 1;
      if (calls === 1) {
        // The answer was read before the revocation, and arrives after the news of it.
        await eventually(() => seen === 3);
        polled = { nowMs: 5_000, atMs: 5_000, number: 4, changes };
        await eventually(() => seen === 4);
      }
      return keys.map(() => answer);
    }, cache);
    expect(await codeOf(key)).toBe("invalid_api_key");
    expect(calls).toBe(2);
  });
});

test("a key of one mode is never taken for the other's", async () => {
  const { codeOf } = authenticator(async (keys) => keys.map(() => verified()));
  expect(await codeOf(makeApiKey("test"))).toBe("invalid_api_key");
});

test("a key in memory is told at once, for as long as it may be used without asking, and no longer", async () => {
  const key = makeApiKey("live");
  const made = createAuthenticator({
    ask: async (keys) => keys.map(() => verified()),
    cache: away,
    logger: createLogger("test", "silent"),
    metrics: new Metrics("test"),
  });
  closing.push(made.close);
  expect(made.recall(key)).toBeUndefined();
  expect(() => made.recall(`${key}0`)).toThrow("invalid_api_key");
  const known = await made.authenticate(key);
  expect(made.recall(key)).toEqual(known);
  // With Redis away nothing but the record's own reading vouches for it, and that for half a second.
  await eventually(() => made.recall(key) === undefined, { timeoutMs: 1_000 });
});
