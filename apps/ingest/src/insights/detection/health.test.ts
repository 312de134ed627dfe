import { expect, test } from "bun:test";
import { isId } from "@payflow/contracts/ids.ts";
import { HandedMessage } from "@payflow/contracts/internal-notifier.ts";
import { processorWebhookSchema } from "@payflow/contracts/processor-events.ts";
import { Value } from "@sinclair/typebox/value";
import { addFacts, type Counts } from "../figures/counts.ts";
import { minuteText } from "../figures/windows.ts";
import {
  type Health,
  isWell,
  judgeOwner,
  readHealth,
  wellHealth,
  withoutPending,
  writeHealth,
} from "./health.ts";
import type { Thresholds } from "./judge.ts";

const thresholds: Thresholds = { leastOutcomes: 50, rise: 0.1, deviations: 4, alone: 0.5 };
const owner = { tenantId: "ten_01jfzzzzzzzzzzzzzzzzzzzzzz", mode: "live" } as const;
const minute = 29_000_000;

/** Counts of processors, each with its successes and failures. */
function counts(processors: Record<string, readonly [succeeded: number, failed: number]>): Counts {
  const made: Counts = new Map();
  for (const [processor, [succeeded, failed]] of Object.entries(processors)) {
    for (let at = 0; at < succeeded + failed; at += 1) {
      addFacts(made, {
        processor,
        outcome: at < succeeded ? "succeeded" : "failed",
        isTimeout: false,
        retries: 0,
        isRetrySucceeded: null,
        isLate: false,
        category: at % 3 === 0 ? "processor_timeout" : "declined",
        geography: "US",
        method: null,
      });
    }
  }
  return made;
}

const judged = (health: Health, now: Counts, before: Counts, at = minute) =>
  judgeOwner(owner, health, at, { window: now, baseline: before }, thresholds);

test("a degraded processor is told of once, with figures, baseline and where its failures lie", () => {
  const now = counts({ stripe: [50, 50], adyen: [100, 2] });
  const before = counts({ stripe: [950, 50], adyen: [1_000, 20] });
  const health = judged(wellHealth, now, before);
  expect([...health.degraded.keys()]).toEqual(["stripe"]);
  expect(health.pending).toHaveLength(1);
  const [told] = health.pending;
  expect(Value.Check(HandedMessage, told)).toBe(true);
  expect(isId("evt", told?.event_id ?? "")).toBe(true);
  expect(told).toMatchObject({
    event: "processor.degraded",
    tenant_id: owner.tenantId,
    mode: "live",
    sequence: null,
    data: {
      processor: "stripe",
      window_from: minuteText(minute - 4),
      window_to: minuteText(minute + 1),
      degraded_at: minuteText(minute + 1),
      outcomes: 100,
      failures: 50,
      failure_rate: 0.5,
      baseline: { outcomes: 1_000, failures: 50, failure_rate: 0.05 },
      failure_clusters: [
        { category: "declined", geography: "US", method: "unknown", failures: 33 },
        { category: "processor_timeout", geography: "US", method: "unknown", failures: 17 },
      ],
    },
  });
  expect(judged(health, now, before, minute + 1)).toEqual(health);
});

test("what is told fits the schema in docs/events", () => {
  const degraded = judged(wellHealth, counts({ stripe: [0, 60] }), counts({}));
  const recovered = judged(degraded, counts({}), counts({}), minute + 70);
  const told = recovered.pending.map((one) => {
    const { data, ...head } = one;
    return { ...head, payment_id: null, ...data };
  });
  expect(told.map((one) => one.event)).toEqual(["processor.degraded", "processor.recovered"]);
  expect(Value.Check(processorWebhookSchema("processor.degraded"), told[0])).toBe(true);
  expect(Value.Check(processorWebhookSchema("processor.recovered"), told[1])).toBe(true);
  expect(recovered.pending[1]?.data).toMatchObject({ reason: "quiet", failure_rate: null, outcomes: 0 });
});

test("whoever judges a window says the same under the same id; another window, tenant or mode has another", () => {
  const now = counts({ stripe: [0, 60] });
  const id = (of: Health) => of.pending[0]?.event_id;
  const first = judged(wellHealth, now, counts({}));
  expect(judged(wellHealth, now, counts({}))).toEqual(first);
  const others = [
    judged(wellHealth, now, counts({}), minute + 1),
    judgeOwner(
      { ...owner, mode: "test" },
      wellHealth,
      minute,
      { window: now, baseline: counts({}) },
      thresholds,
    ),
    judged(wellHealth, counts({ adyen: [0, 60] }), counts({})),
  ];
  expect(new Set([first, ...others].map(id)).size).toBe(4);
});

test("an owner's health reads back as it was written, whatever its processors are called", () => {
  const health = judged(
    wellHealth,
    counts(Object.fromEntries([["constructor", [0, 60] as const]])),
    counts({}),
  );
  expect([...readHealth(writeHealth(health)).degraded.keys()]).toEqual(["constructor"]);
  expect(readHealth(writeHealth(health))).toEqual(health);
  expect(writeHealth(wellHealth)).toBe("");
  expect(readHealth(null)).toEqual(wellHealth);
});

test("what notifier has taken is no longer pending, and the rest is", () => {
  const health = judged(wellHealth, counts({ stripe: [0, 60], adyen: [0, 60] }), counts({}));
  const [first, second] = health.pending;
  const left = withoutPending(health, new Set([first?.event_id ?? ""]));
  expect(left.pending).toEqual(second === undefined ? [] : [second]);
  expect(left.degraded).toEqual(health.degraded);
  expect(isWell(left)).toBe(false);
});

test("while notifier is away for long, decisions wait instead of piling up", () => {
  let health: Health = wellHealth;
  for (let at = 0; at < 1_000; at += 1) {
    const names = Array.from({ length: 30 }, (_, name) => `p${name}`);
    const rate: readonly [number, number] = at % 2 === 0 ? [0, 50] : [50, 0];
    health = judged(
      health,
      counts(Object.fromEntries(names.map((name) => [name, rate] as const))),
      counts({}),
      minute + at,
    );
    if (at > 10) break;
  }
  expect(health.pending.length).toBeLessThan(128 + 30);
});

test("names that share a place are not judged as one processor", () => {
  const many = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`p${at}`, [0, 60] as const]));
  expect(judged(wellHealth, counts(many), counts({})).degraded.has("other")).toBe(false);
});
