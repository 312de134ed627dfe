import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { unavailable } from "@payflow/contracts/errors.ts";
import { testKeys } from "@payflow/testkit/bus/events.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type OutboxLimit, startOutboxLimit } from "../../src/outbox/outbox-limit.ts";
import { OutboxSize } from "../../src/outbox/rows.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { logger, OutboxFixture } from "./outbox-fixture.ts";

setDefaultTimeout(60_000);

let fixture: OutboxFixture;
let limit: OutboxLimit | undefined;
beforeEach(async () => {
  fixture = await OutboxFixture.start();
});
afterEach(async () => {
  await limit?.stop();
  await fixture.end();
});

test("while the bus is away the limit is reached, and left again once enough was sent", async () => {
  const metrics = new Metrics("outbox-test");
  limit = startOutboxLimit({ sql: fixture.sql, maxEvents: 100, logger, metrics, everyMs: 20 });
  const { bus } = fixture;
  let isAway = true;
  fixture.relay({
    bus: {
      send: async (messages) => {
        if (isAway) throw unavailable("The event bus");
        await bus.send(messages);
      },
    },
  });
  const few = await fixture.commit(testKeys(9), 10);
  const ratio = async () =>
    Number(/^payflow_outbox_limit_ratio\{.*\} (.*)$/m.exec(await metrics.text())?.[1]);
  await eventually(async () => (await ratio()) === 0.9);
  expect(limit.isReached).toBe(false);
  const many = await fixture.commit(testKeys(10), 20);
  await eventually(() => limit?.isReached ?? false);
  expect(await ratio()).toBe(1);
  isAway = false;
  await fixture.drained([...few, ...many], 40_000);
  await eventually(() => limit?.isReached === false);
});

test("a large outbox is estimated near to what waits in it, and counted where that is near the limit", async () => {
  const size = new OutboxSize(fixture.sql);
  expect(await size.upTo(1_000_000)).toBe(0);
  await fixture.sql`
    insert into outbox (topic, key, envelope)
    select 'payment.settled', md5(number::text), '{}' from generate_series(1, 30000) as number`;
  const estimate = await size.upTo(1_000_000);
  expect(estimate).toBeGreaterThan(29_000);
  expect(estimate).toBeLessThan(31_000);
  expect(await size.upTo(33_000)).toBe(30_000);
  expect(await size.upTo(20_000)).toBe(20_000);
  // What is sent leaves each shard from its oldest row on.
  await fixture.sql`delete from outbox where id <= (select min(id) + 19999 from outbox)`;
  const rest = await size.upTo(1_000_000);
  expect(rest).toBeGreaterThan(9_500);
  expect(rest).toBeLessThan(10_500);
});
