import { describe, expect, test } from "bun:test";
import { documentedEvent as example } from "../../test/events/example-event.ts";
import { eventProblems, instantOf, isEvent, PaymentExhaust, timeProblem } from "./event.ts";

const nowMs = Date.parse("2026-11-21T12:00:00Z");

const required = [
  "event_type",
  "event_timestamp",
  "event_id",
  "merchant_id_hash",
  "payment_intent_id_hash",
  "processor",
];
const optional = Object.keys(example).filter((name) => !required.includes(name));

/** The pointers of what is wrong with the example when these fields are put into it. */
function wrong(fields: Record<string, unknown>): string[] {
  const value = { ...example, ...fields };
  const pointers = eventProblems(value, nowMs).map(({ pointer }) => pointer);
  const isGood = isEvent(value) && timeProblem(instantOf(value.event_timestamp), nowMs) === null;
  const isHalf = Object.values(fields).some((field) => typeof field === "string" && !field.isWellFormed());
  // The quick check and the list of what is wrong must agree; halves of characters are the reader's.
  expect(isGood && !isHalf).toBe(pointers.length === 0);
  return pointers;
}

describe("an event", () => {
  test("is taken as the documentation shows it, with or without what is optional", () => {
    expect(wrong({})).toEqual([]);
    expect(wrong(Object.fromEntries(optional.map((name) => [name, null])))).toEqual([]);
    expect(wrong(Object.fromEntries(optional.map((name) => [name, undefined])))).toEqual([]);
    expect(Object.keys(PaymentExhaust.properties)).toEqual(Object.keys(example));
  });

  test("names each missing, unknown and mistyped field", () => {
    for (const name of required) {
      const { [name as keyof typeof example]: _, ...rest } = example;
      expect(eventProblems(rest, nowMs)).toEqual([
        { pointer: `/${name}`, message: "Expected required property" },
      ]);
      expect(wrong({ [name]: null })).toEqual([`/${name}`]);
    }
    for (const name of Object.keys(example)) {
      for (const value of [true, {}, [], 1.5, ""]) expect(wrong({ [name]: value })).toEqual([`/${name}`]);
    }
    expect(wrong({ amount: 1, card: "4", "a/b~c": 1 })).toEqual(["/amount", "/card", "/a~1b~0c"]);
    expect(wrong({ __proto__: null, toString: "x" })).toEqual(["/toString"]);
    const own = JSON.parse(`{"__proto__": {"processor": "stripe"}, ${JSON.stringify(example).slice(1)}`);
    expect(eventProblems(own, nowMs).map(({ pointer }) => pointer)).toEqual(["/__proto__"]);
  });

  test("has bounded texts and counts", () => {
    const limits = { merchant_id_hash: 128, payment_intent_id_hash: 128, processor: 64, event_timestamp: 0 };
    for (const name of Object.keys(example).filter((one) => one !== "retry_count")) {
      const most = limits[name as keyof typeof limits] ?? 100;
      if (most > 0) expect(wrong({ [name]: "x".repeat(most) })).toEqual([]);
      expect(wrong({ [name]: "x".repeat(most + 1) })).toEqual([`/${name}`]);
      for (const character of ["\0", "\n", "\u007f", "\u0085", "\ud800", "\udc00"]) {
        expect(wrong({ [name]: `a${character}` })).toEqual([`/${name}`]);
      }
    }
    for (const count of [0, 1, 1_000_000]) expect(wrong({ retry_count: count })).toEqual([]);
    for (const count of [-1, 0.5, 1_000_001, "1", Number.POSITIVE_INFINITY]) {
      expect(wrong({ retry_count: count })).toEqual(["/retry_count"]);
    }
  });

  test("may come from any processor with a lower-case identifier", () => {
    for (const processor of ["stripe", "adyen_eu", "2checkout", "a", "my-psp-9"]) {
      expect(wrong({ processor })).toEqual([]);
    }
    for (const processor of ["Stripe", "stripe inc", "stripé", "-x", "_x", "a.b", "a/b", " a", "a\n"]) {
      expect(wrong({ processor })).toEqual(["/processor"]);
    }
  });

  test("lies between 400 days back and one hour ahead, in RFC 3339", () => {
    const at = (ms: number) => wrong({ event_timestamp: new Date(nowMs + ms).toISOString() });
    expect([at(0), at(3_600_000), at(-400 * 86_400_000)]).toEqual([[], [], []]);
    expect([at(3_600_001), at(-400 * 86_400_000 - 1)]).toEqual([["/event_timestamp"], ["/event_timestamp"]]);
    for (const time of [
      "2026-11-21T13:00:00+01:00",
      "2026-11-21T12:00:00.123456789Z",
      "2026-02-28T23:59:59Z",
    ]) {
      expect(wrong({ event_timestamp: time })).toEqual([]);
    }
    for (const time of [
      "2026-11-21",
      "2026-11-21 12:00:00Z",
      "2026-11-21T12:00:00",
      "2026-11-21T12:00Z",
      "2026-02-29T12:00:00Z",
      "2026-04-31T12:00:00Z",
      "2026-11-00T12:00:00Z",
      "2026-13-01T12:00:00Z",
      "2026-11-21T24:00:00Z",
      "2026-11-21T12:00:60Z",
      "2026-11-21T12:00:00+24:00",
      "2026-11-21T12:00:00.Z",
      "2026-11-21T12:00:00.1234567890Z",
      "1763726400",
      "+002026-11-21T12:00:00Z",
    ]) {
      expect(wrong({ event_timestamp: time })).toEqual(["/event_timestamp"]);
    }
  });

  test("that is no object is told so, and the list of what is wrong is bounded", () => {
    for (const value of [null, 1, "text", true, [], [example]]) {
      expect(eventProblems(value, nowMs)).toEqual([{ pointer: "", message: "Expected an object" }]);
    }
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`f${index}`, 1]));
    expect(eventProblems({ ...example, ...many }, nowMs)).toHaveLength(20);
    const [long] = eventProblems({ ...example, ["x".repeat(10_000)]: 1 }, nowMs);
    expect(long?.pointer.length).toBeLessThanOrEqual(200);
  });
});

test("a moment keeps what is finer than milliseconds, and is the same in every offset", () => {
  expect(instantOf("2026-11-21T12:00:00.9996Z")).toEqual({ ms: nowMs + 999, finer: "6" });
  expect(instantOf("2026-11-21T12:00:00.123456700Z")).toEqual({ ms: nowMs + 123, finer: "4567" });
  expect(instantOf("2026-11-21T12:00:00.1000Z")).toEqual({ ms: nowMs + 100, finer: "" });
  expect(instantOf("2026-11-21T17:30:00+05:30")).toEqual({ ms: nowMs, finer: "" });
  expect(instantOf("2026-11-20T24:00:00Z")).toBeNull();
});
