import { expect, test } from "bun:test";
import fc from "fast-check";
import { documentedEvent } from "../../test/events/example-event.ts";
import { toAcceptedEvent } from "./canonical.ts";
import { instantOf, isEvent, timeProblem } from "./event.ts";
import { readUsualEvent } from "./usual-event.ts";

const nowMs = Date.parse("2026-11-21T12:00:00Z");
const tenant = { tenantId: "ten_1", mode: "live" as const };

const example = { ...documentedEvent, event_id: "0192B3C4-0000-7000-8000-000000000000" };

/** The long way: what the writer is given for a parsed event, null where it is refused. */
function parsed(text: string) {
  const value: unknown = JSON.parse(text);
  if (!isEvent(value)) return null;
  const instant = instantOf(value.event_timestamp);
  if (instant === null || timeProblem(instant, nowMs) !== null) return null;
  return toAcceptedEvent(tenant, value, instant);
}

test("the documentation's example is read without parsing it", () => {
  const text = JSON.stringify(example);
  expect(readUsualEvent(tenant, text, nowMs)).toEqual(parsed(text));
  expect(readUsualEvent(tenant, text, nowMs)).not.toBeNull();
});

const value = fc.oneof(
  fc.string({ maxLength: 140 }),
  fc.string({ maxLength: 110, unit: "grapheme" }),
  fc.constantFrom("stripe", '"', "\\", "", "a".repeat(100), "a".repeat(101), "a".repeat(128), "~ ", "\x7f"),
  fc.integer({ min: -1, max: 1_000_001 }),
  fc.constantFrom(null, 1.5, true, [], {}),
);
const time = fc.oneof(
  fc
    .integer({ min: nowMs - 500 * 86_400_000, max: nowMs + 7_200_000 })
    .map((ms) => new Date(ms).toISOString()),
  fc.constantFrom("2026-02-30T00:00:00Z", "2026-11-21T12:00:00.123456+01:00", "2026-11-21T12:00:00+00:00"),
);
const names = Object.keys(example);

test("whatever is read without parsing is what parsing makes of it, and it is stored as it is", () => {
  let read = 0;
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 2 }), time, (changes, when) => {
      const text = JSON.stringify({ ...example, event_timestamp: when, ...changes });
      const quick = readUsualEvent(tenant, text, nowMs);
      if (quick === null) return;
      read += 1;
      expect(quick).toEqual(parsed(text) as typeof quick);
      expect(quick.json).toBe(text);
    }),
    { numRuns: 2_000 },
  );
  expect(read).toBeGreaterThan(100);
});

test("another order, blanks, escapes, a name twice and what follows the event are left to the parser", () => {
  const text = JSON.stringify(example);
  const others = [
    JSON.stringify(Object.fromEntries(Object.entries(example).reverse())),
    JSON.stringify(example, null, 1),
    `${text} `,
    ` ${text}`,
    `${text}\n`,
    `${text}${text}`,
    text.replace("abc123", "abc\\u0031"),
    text.replace("abc123", "äbc"),
    text.replace('"channel":"web"', '"channel":"web","channel":"app"'),
    text.replace('"retry_count":0', '"retry_count":00'),
    text.replace('"retry_count":0', '"retry_count":1000001'),
    text.replace('"retry_count":0', '"retry_count":1e3'),
    text.replace('"channel":"web"', '"channel":null'),
    text.replace("stripe", "Stripe"),
  ];
  for (const other of others) expect([other, readUsualEvent(tenant, other, nowMs)]).toEqual([other, null]);
});
