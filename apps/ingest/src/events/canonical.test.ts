import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { scopeIdOf, toAcceptedEvent } from "./canonical.ts";
import { eventProblems, instantOf, isEvent, PaymentExhaust } from "./event.ts";

const nowMs = Date.parse("2026-11-21T12:00:00Z");
const tenant = { tenantId: "ten_1", mode: "live" as const };

const hasControl = (text: string) => /\p{Cc}/u.test(text);
const word = (max: number) =>
  fc
    .string({ minLength: 1, maxLength: max, unit: "grapheme" })
    .filter((one) => one.length <= max && !hasControl(one));
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const time = fc
  .integer({ min: nowMs - 400 * 86_400_000, max: nowMs + 3_600_000 })
  .map((ms) => new Date(ms).toISOString());

const anyEvent = fc.record(
  {
    event_type: word(100),
    event_timestamp: time,
    event_id: word(100),
    merchant_id_hash: word(128),
    payment_intent_id_hash: word(128),
    processor: fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,63}$/),
    failure_category: maybe(word(100)),
    retry_count: maybe(fc.integer({ min: 0, max: 1_000_000 })),
    geo_bucket: maybe(word(100)),
    amount_bucket: maybe(word(100)),
    system_source: maybe(word(100)),
    payment_method_bucket: maybe(word(100)),
    channel: maybe(word(100)),
    retry_result: maybe(word(100)),
    failure_origin: maybe(word(100)),
  },
  {
    requiredKeys: [
      "event_type",
      "event_timestamp",
      "event_id",
      "merchant_id_hash",
      "payment_intent_id_hash",
      "processor",
    ],
  },
);
type AnyEvent = typeof anyEvent extends fc.Arbitrary<infer T> ? T : never;

function take(value: unknown) {
  if (!isEvent(value)) throw new Error(JSON.stringify(eventProblems(value, nowMs)));
  const instant = instantOf(value.event_timestamp);
  if (instant === null) throw new Error("not a time");
  return toAcceptedEvent(tenant, value, instant);
}

/** The same fields in another order. */
function shuffled(event: object, seed: number): unknown {
  const entries = Object.entries(event);
  const by = (name: string) => Bun.hash.xxHash32(name, seed);
  return Object.fromEntries(entries.sort(([left], [right]) => by(left) - by(right)));
}

const withoutNulls = (event: object) =>
  Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null));

describe("the stored text", () => {
  test("reads back as the given fields in the schema's order, nulls left out", () => {
    fc.assert(
      fc.property(anyEvent, fc.integer(), (event, seed) => {
        const { json, merchant, eventId } = take(shuffled(event, seed));
        const stored = JSON.parse(json);
        const expected = withoutNulls(event);
        expect(stored).toEqual(expected);
        const order = Object.keys(PaymentExhaust.properties).filter((name) => name in expected);
        expect(Object.keys(stored)).toEqual(order);
        expect(json).toBe(JSON.stringify(stored));
        expect([merchant, eventId]).toEqual([event.merchant_id_hash, event.event_id]);
      }),
    );
  });

  test("is taken again as it is, with the same hash", () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const once = take(event);
        expect(take(JSON.parse(once.json))).toEqual(once);
      }),
    );
  });
});

describe("the body's hash", () => {
  test("does not depend on the order of fields, on nulls, on the time's notation, or on the id", () => {
    fc.assert(
      fc.property(anyEvent, fc.integer(), word(100), (event, seed, otherId) => {
        const { bodyHash } = take(event);
        expect(Number.isInteger(bodyHash) && bodyHash >= 0 && bodyHash < 2 ** 32).toBe(true);
        expect(take(shuffled(event, seed)).bodyHash).toBe(bodyHash);
        expect(take(withoutNulls(event)).bodyHash).toBe(bodyHash);
        const ms = Date.parse(event.event_timestamp) + 5.5 * 3_600_000;
        const elsewhere = new Date(ms).toISOString().replace("Z", "000+05:30");
        expect(take({ ...event, event_timestamp: elsewhere }).bodyHash).toBe(bodyHash);
        expect(take({ ...event, event_id: otherId }).bodyHash).toBe(bodyHash);
      }),
    );
  });

  test("differs for events that differ in any field but the id", () => {
    fc.assert(
      fc.property(anyEvent, anyEvent, (left, right) => {
        for (const name of Object.keys(right) as (keyof AnyEvent)[]) {
          if (name === "event_id" || (left[name] ?? null) === (right[name] ?? null)) continue;
          // One in four thousand million pairs of different events has one hash; not these.
          expect(take({ ...left, [name]: right[name] }).bodyHash).not.toBe(take(left).bodyHash);
        }
      }),
    );
    const fine = (event_timestamp: string) =>
      take({ ...fc.sample(anyEvent, { numRuns: 1, seed: 1 })[0], event_timestamp }).bodyHash;
    expect(fine("2026-11-21T12:00:00.0001Z")).not.toBe(fine("2026-11-21T12:00:00.0002Z"));
  });
});

describe("the id by which repeats are known", () => {
  test("is one for all spellings of a UUID", () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        const bare = id.replaceAll("-", "");
        for (const one of [id, bare]) {
          for (const spelling of [one, `{${one}}`, `urn:uuid:${one}`, `URN:UUID:${one}`]) {
            expect(scopeIdOf(spelling)).toBe(id);
            expect(scopeIdOf(spelling.toUpperCase())).toBe(id);
          }
        }
      }),
    );
  });

  test("is any other text itself, so that no two of them are ever one", () => {
    fc.assert(fc.property(fc.string(), (id) => scopeIdOf(id) === id));
    const uuid = "550e8400-e29b-41d4-a716-446655440000";
    for (const id of [
      `${uuid}0`,
      uuid.slice(1),
      ` ${uuid}`,
      `{${uuid}`,
      `${uuid}}`,
      uuid.replace("-", ""),
      uuid.replace("5", "g"),
      `urn:${uuid}`,
      `urn:uuid:{${uuid}}`,
      uuid.replaceAll("-", "_"),
    ]) {
      expect(scopeIdOf(id)).toBe(id);
    }
  });
});
