import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { Mode } from "@payflow/contracts/access.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import fc from "fast-check";
import { windowNames } from "../../src/insights/figures/windows.ts";
import { toProcessorsResponse } from "../../src/insights/insights.contract.ts";
import { readProcessors } from "../../src/insights/read-processors.ts";
import { exhaust, InsightSpace, newTenant } from "./insight-space.ts";
import { expected, type Meant, shown } from "./model.ts";

let servers: TestRedisPair;
beforeAll(async () => {
  servers = await testRedis();
});
afterAll(() => servers.close());

const spaces: InsightSpace[] = [];
afterEach(async () => {
  for (const space of spaces.splice(0)) await space.close();
});

async function openSpace(partitions?: number): Promise<InsightSpace> {
  const space = await InsightSpace.open(servers.durable.url, undefined, partitions);
  spaces.push(space);
  return space;
}

const hourMs = 3_600_000;

/** Kinds of events, each with what it means. */
const kinds = [
  [{ event_type: "payment_succeeded" }, "succeeded", false],
  [{ event_type: "payment_authorized" }, "succeeded", false],
  [{ event_type: "payment_failed", failure_category: "processor_timeout" }, "failed", true],
  [{ event_type: "payment_failed", failure_category: "insufficient_funds" }, "failed", false],
  [{ event_type: "payment_failed" }, "failed", false],
  [{ event_type: "payment_retry", failure_category: "timed out", retry_result: "failed" }, "failed", true],
  [{ event_type: "payment_created" }, "open", false],
] as const;

const drawn = (tenants: readonly string[], nowMs: number) =>
  fc
    .record({
      tenant: fc.constantFrom(...tenants),
      mode: fc.constantFrom<Mode>("live", "test"),
      merchant: fc.nat(7),
      // Many in the last minutes, some over all of the two days that windows look back.
      agoMs: fc.oneof(
        { weight: 6, arbitrary: fc.nat(12 * 60_000) },
        { weight: 2, arbitrary: fc.nat(3 * hourMs) },
        { weight: 1, arbitrary: fc.nat(50 * hourMs) },
      ),
      kind: fc.nat(kinds.length - 1),
      processor: fc.constantFrom("stripe", "adyen", "other_bank"),
      retries: fc.constantFrom(0, 0, 1, 3),
      geography: fc.constantFrom("US", undefined, null),
      method: fc.constantFrom("credit_card", undefined),
      lateBy: fc.constantFrom(0, 0, 59 * 60_000, 61 * 60_000, 300 * 24 * hourMs),
    })
    .map((one): Meant => {
      const [fields, meaning, isTimeout] = kinds[one.kind] ?? kinds[0];
      const arrivedAtMs = nowMs - one.agoMs;
      return {
        tenantId: one.tenant,
        mode: one.mode,
        merchant: `m${one.merchant}`,
        arrivedAtMs,
        event: exhaust(
          {
            ...fields,
            processor: one.processor,
            retry_count: one.retries,
            ...(one.geography === undefined ? {} : { geo_bucket: one.geography }),
            ...(one.method === undefined ? {} : { payment_method_bucket: one.method }),
          },
          arrivedAtMs - one.lateBy,
        ),
        meaning,
        isTimeout,
        isLate: one.lateBy > hourMs,
        isRetrySucceeded: one.retries === 0 || meaning === "open" ? null : meaning === "succeeded",
      };
    });

/** Waits until everything that has arrived is part of the figures, rolled as far as it can be. */
async function counted(space: InsightSpace): Promise<void> {
  const askedAt = await space.nowMs();
  await eventually(async () => {
    const { minute } = await space.stores.figures.rolled();
    const until = await space.stores.minutes.countedUntilMs();
    return until >= askedAt && minute >= Math.floor((askedAt - 3_000) / 60_000);
  });
}

test("the figures of every window equal those worked out from the events, for each tenant and mode", async () => {
  for (const [seed, partitions] of [
    [1, 4],
    [2, 1],
    [3, 16],
  ] as const) {
    const space = await openSpace(partitions);
    const tenants = [newTenant(), newTenant()];
    const nowMs = await space.nowMs();
    const arrivals = fc.sample(drawn(tenants, nowMs), { numRuns: 1_000, seed });
    await space.start();
    await space.append(arrivals);
    await counted(space);
    for (const tenantId of tenants) {
      for (const mode of ["live", "test"] as const) {
        const own = arrivals.filter((one) => one.tenantId === tenantId && one.mode === mode);
        for (const window of windowNames) {
          const answer = toProcessorsResponse(await readProcessors(space.stores, { tenantId, mode }, window));
          const [fromMs, toMs] = [Date.parse(answer.from), Date.parse(answer.to)];
          const current = { fromMs, toMs };
          const previous = { fromMs: Date.parse(answer.previous_from), toMs: fromMs };
          const seen = own.filter((one) => one.arrivedAtMs >= previous.fromMs);
          const processors = new Set(seen.map((one) => one.event.processor));
          expect(new Set(answer.data.map((one) => one.processor))).toEqual(processors);
          for (const processor of processors) {
            const found = answer.data.find((one) => one.processor === processor);
            expect(shown(found)).toEqual(expected(processor, own, current, previous));
          }
        }
      }
    }
  }
}, 60_000);

test("a minute that is brought together between two of a reader's questions is part of its answer once", async () => {
  const space = await openSpace();
  const tenantId = newTenant();
  const nowMs = await space.nowMs();
  const arrivedAtMs = nowMs - 4 * 60_000;
  const events = Array.from({ length: 20 }, (_, at) => ({
    tenantId,
    mode: "live" as const,
    merchant: `m${at}`,
    arrivedAtMs,
    event: exhaust({}, arrivedAtMs),
  }));
  await space.start();
  await space.append(events);
  await counted(space);
  const { figures, minutes } = space.stores;
  const before = async () => ({ minute: Math.floor(arrivedAtMs / 60_000), nowMs });
  for (const window of windowNames) {
    const stores = { minutes, figures: { ...figures, rolled: before } };
    const reading = await readProcessors(stores, { tenantId, mode: "live" }, window);
    expect(reading.current.get("stripe")?.events).toBe(20);
  }
}, 20_000);
