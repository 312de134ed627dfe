import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { derivedId } from "@payflow/contracts/ids.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { readHealth } from "../../src/insights/detection/health.ts";
import { toProcessorsResponse } from "../../src/insights/insights.contract.ts";
import { readProcessors } from "../../src/insights/read-processors.ts";
import { rollMinutes } from "../../src/insights/roll-minutes.ts";
import { type Arrival, exhaust, InsightSpace, newTenant, recordingNotifier } from "./insight-space.ts";
import { childReplicas } from "./replica-process.ts";

let servers: TestRedisPair;
beforeAll(async () => {
  servers = await testRedis();
});
afterAll(() => servers.close());

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function openSpace() {
  const notifier = recordingNotifier();
  endings.push(() => notifier.stop());
  const space = await InsightSpace.open(servers.durable.url, notifier.url);
  endings.push(() => space.close());
  return { space, notifier };
}

const minuteMs = 60_000;
const thresholds = { leastOutcomes: 50, rise: 0.1, deviations: 4, alone: 0.5 };
const never = new AbortController().signal;

/** For each minute of a history, the oldest first, how many of its 30 payments at a processor fail. */
function history(
  tenantId: string,
  firstMinute: number,
  failures: readonly number[],
  fields: { readonly processor?: string; readonly mode?: "live" | "test" } = {},
): Arrival[] {
  const { processor = "stripe", mode = "live" } = fields;
  return failures.flatMap((failed, at) =>
    Array.from({ length: 30 }, (_, payment) => {
      const arrivedAtMs = (firstMinute + at) * minuteMs + payment * 1_000;
      const isFailure = payment < failed;
      return {
        tenantId,
        mode,
        merchant: `m${payment % 5}`,
        arrivedAtMs,
        event: exhaust(
          {
            processor,
            event_type: isFailure ? "payment_failed" : "payment_succeeded",
            ...(isFailure ? { failure_category: "processor_timeout", geo_bucket: "US" } : {}),
          },
          arrivedAtMs,
        ),
      };
    }),
  );
}

const times = (count: number, value: number) => Array.from({ length: count }, () => value);
/** An hour and a half as usual, ten minutes of trouble, and as usual again. */
const outage = [...times(90, 1), ...times(10, 24), ...times(12, 1)];

/** The minute, since 1970, of which a history of so many minutes begins so that it is over by now. */
async function begin(space: InsightSpace, minutes: number): Promise<number> {
  return Math.floor((await space.nowMs()) / minuteMs) - minutes - 1;
}

async function rolled(space: InsightSpace, minute: number): Promise<void> {
  await eventually(async () => (await space.stores.figures.rolled()).minute >= minute, { timeoutMs: 30_000 });
}

const iso = (minute: number) => new Date(minute * minuteMs).toISOString();

test("an outage is told of twice: when it began and when it was over, each once, under an id of its window", async () => {
  const { space, notifier } = await openSpace();
  const tenantId = newTenant();
  const first = await begin(space, outage.length);
  const calm = history(tenantId, first, times(outage.length, 1), { processor: "adyen" });
  await space.append([...history(tenantId, first, outage), ...calm]);
  const replicas = childReplicas({ address: space.address });
  endings.push(() => replicas.killAll());
  await Promise.all([replicas.start(), replicas.start()]);
  await rolled(space, first + outage.length);
  await eventually(() => notifier.messages.length >= 2);
  const [degraded, recovered] = notifier.messages;
  // One bad minute of the five is enough: 24 + 4 of 150 failed, where 1 of 30 is usual.
  const degradedAt = first + 91;
  expect(degraded).toMatchObject({
    event: "processor.degraded",
    event_id: derivedId("evt", ["processor.degraded", tenantId, "live", "stripe", iso(degradedAt)]),
    tenant_id: tenantId,
    mode: "live",
    data: {
      processor: "stripe",
      window_from: iso(degradedAt - 5),
      window_to: iso(degradedAt),
      outcomes: 150,
      failures: 28,
      failure_rate: 28 / 150,
      baseline: { outcomes: 1_800, failures: 60 },
      failure_clusters: [{ category: "processor_timeout", geography: "US", method: "unknown", failures: 28 }],
    },
  });
  // Back below a rate of 1/30 + 5 points, with all five minutes as usual again.
  const recoveredAt = first + 105;
  expect(recovered).toMatchObject({
    event: "processor.recovered",
    event_id: derivedId("evt", ["processor.recovered", tenantId, "live", "stripe", iso(recoveredAt)]),
    data: { processor: "stripe", reason: "rate", failures: 5, degraded_at: iso(degradedAt) },
  });
  expect(notifier.messages).toHaveLength(2);
  expect(await space.stores.figures.watched()).toEqual([]);
}, 60_000);

test("judging the same minutes again, whoever does it, tells of nothing twice", async () => {
  const { space, notifier } = await openSpace();
  const tenantId = newTenant();
  const first = await begin(space, outage.length);
  await space.append(history(tenantId, first, outage));
  const running = await space.start();
  await rolled(space, first + outage.length);
  await eventually(() => notifier.messages.length >= 2);
  await running.stop();
  const before = await readProcessors(space.stores, { tenantId, mode: "live" }, "24h");
  const deps = { ...space.stores, thresholds, logger: space.logger, onPending: () => {} };
  await space.redis.set(space.keys.insightsRolled(), first);
  await Promise.all([rollMinutes(deps, never), rollMinutes(deps, never)]);
  const after = await readProcessors(space.stores, { tenantId, mode: "live" }, "24h");
  expect([...after.current]).toEqual([...before.current]);
  const { health } = await space.stores.figures.read(`${tenantId}/live`, []);
  expect(readHealth(health)).toEqual({ degraded: new Map(), pending: [] });
  expect(notifier.messages).toHaveLength(2);
}, 60_000);

test("a message whose answer was lost is sent again under its id, and then no more", async () => {
  const { space, notifier } = await openSpace();
  const tenantId = newTenant();
  const trouble = [...times(90, 1), ...times(4, 24)];
  const first = await begin(space, trouble.length);
  await space.append(history(tenantId, first, trouble));
  notifier.loseAnswers(true);
  await space.start();
  await eventually(() => notifier.messages.length > 0, { timeoutMs: 20_000 });
  notifier.loseAnswers(false);
  await eventually(async () => {
    const { health } = await space.stores.figures.read(`${tenantId}/live`, []);
    return readHealth(health).pending.length === 0;
  });
  expect(notifier.messages.length).toBeGreaterThan(1);
  expect(new Set(notifier.messages.map((one) => one.event_id)).size).toBe(1);
}, 60_000);

test("a change decided by a replica that was killed before it could tell is told by the next one", async () => {
  const { space, notifier } = await openSpace();
  const tenantId = newTenant();
  const trouble = [...times(90, 1), ...times(4, 24)];
  const first = await begin(space, trouble.length);
  await space.append(history(tenantId, first, trouble));
  notifier.setAway(true);
  const replicas = childReplicas({ address: space.address });
  endings.push(() => replicas.killAll());
  const deciding = await replicas.start();
  await rolled(space, first + trouble.length);
  await eventually(() => notifier.calls() > 0);
  await replicas.kill(deciding);
  expect(await space.stores.figures.watched()).toEqual([`${tenantId}/live`]);
  notifier.setAway(false);
  await replicas.start();
  await eventually(() => notifier.messages.length > 0, { timeoutMs: 20_000 });
  const { event, event_id } = notifier.messages[0] ?? {};
  expect(event).toBe("processor.degraded");
  expect(event_id).toBe(
    derivedId("evt", ["processor.degraded", tenantId, "live", "stripe", iso(first + 91)]),
  );
  await eventually(async () => {
    const { health } = await space.stores.figures.read(`${tenantId}/live`, []);
    return readHealth(health).pending.length === 0;
  });
  expect(new Set(notifier.messages.map((one) => one.event_id)).size).toBe(1);
}, 60_000);

test("while a processor is degraded its answer says so, and since when", async () => {
  const { space, notifier } = await openSpace();
  const tenantId = newTenant();
  const trouble = [...times(90, 1), ...times(4, 24)];
  const first = await begin(space, trouble.length);
  await space.append(history(tenantId, first, trouble));
  await space.start();
  await eventually(() => notifier.messages.length === 1, { timeoutMs: 20_000 });
  const answer = toProcessorsResponse(await readProcessors(space.stores, { tenantId, mode: "live" }, "24h"));
  expect(answer.data[0]).toMatchObject({
    processor: "stripe",
    status: "degraded",
    degraded_since: iso(first + 91),
  });
}, 60_000);

test("a processor in trouble that no payment reaches any more is told of as quiet after an hour", async () => {
  const { space, notifier } = await openSpace();
  const tenantId = newTenant();
  const trouble = [...times(90, 1), ...times(4, 24)];
  const first = await begin(space, trouble.length + 90);
  await space.append(history(tenantId, first, trouble));
  await space.start();
  await rolled(space, first + trouble.length + 90);
  await eventually(() => notifier.messages.length >= 2, { timeoutMs: 20_000 });
  expect(notifier.messages.map((one) => [one.event, one.data.reason])).toEqual([
    ["processor.degraded", undefined],
    ["processor.recovered", "quiet"],
  ]);
}, 60_000);

test("one tenant's or mode's trouble is nobody else's, nor is what arrives late", async () => {
  const { space, notifier } = await openSpace();
  const [troubled, calm, late] = [newTenant(), newTenant(), newTenant()];
  const trouble = [...times(90, 1), ...times(4, 24)];
  const first = await begin(space, trouble.length);
  const well = times(trouble.length, 1);
  const old = history(late, first, trouble).map((one) => ({
    ...one,
    event: { ...one.event, event_timestamp: iso(first - 24 * 60) },
  }));
  await space.append([
    ...history(troubled, first, trouble),
    ...history(troubled, first, well, { mode: "test" }),
    ...history(calm, first, well),
    ...old,
  ]);
  await space.start();
  await rolled(space, first + trouble.length);
  await eventually(() => notifier.messages.length > 0);
  expect(notifier.messages.map((one) => [one.tenant_id, one.mode])).toEqual([[troubled, "live"]]);
  expect(await space.stores.figures.watched()).toEqual([`${troubled}/live`]);
}, 60_000);
