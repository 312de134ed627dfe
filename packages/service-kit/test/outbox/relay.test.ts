import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { testEvent, testEvents, testKeys } from "@payflow/testkit/bus/events.ts";
import { skippedEvents } from "@payflow/testkit/bus/order.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { insertOutbox, outboxRow } from "../../src/outbox/outbox.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { OutboxFixture } from "./outbox-fixture.ts";

setDefaultTimeout(60_000);

let fixture: OutboxFixture;
beforeEach(async () => {
  fixture = await OutboxFixture.start();
});
afterEach(() => fixture.end());

test("what was committed arrives in order per key, byte for byte, and leaves the outbox", async () => {
  fixture.relay();
  const events = await fixture.commit(testKeys(50), 40);
  await fixture.drained(events);
  expect(skippedEvents(fixture.arrived)).toEqual([]);
  expect(fixture.arrived).toHaveLength(events.length);
  const byId = new Map(fixture.arrived.map((event) => [event.event_id, event]));
  for (const event of events) expect(JSON.stringify(byId.get(event.event_id))).toBe(JSON.stringify(event));
});

test("what was rolled back is never sent", async () => {
  fixture.relay();
  const [key = ""] = testKeys(1);
  const undone = fixture.sql.begin(async (transaction) => {
    await insertOutbox(transaction, [testEvent("payment.settled", key, 1)]);
    throw new Error("the state change failed");
  });
  await expect(undone).rejects.toThrow("the state change failed");
  const events = await fixture.commit(testKeys(4), 2);
  await fixture.drained(events);
  expect(fixture.arrived.some((event) => event.key === key)).toBe(false);
});

test("a malformed event is refused before its transaction commits", async () => {
  const event = testEvent("payment.settled", "pay_1", 1);
  // Wrong on purpose, which the types would not allow.
  const wrong = { ...event, version: 2 } as unknown as typeof event;
  const commit = fixture.sql.begin((transaction) => insertOutbox(transaction, [event, wrong]));
  await expect(commit).rejects.toThrow("/version");
  expect(await fixture.waiting()).toBe(0);
});

test("a row that became visible after later ones is not skipped", async () => {
  const relay = fixture.relay();
  const [slowKey = ""] = testKeys(1);
  const later = testKeys(30);
  const slow = testEvent("payment.settled", slowKey, 1);
  await fixture.sql.begin(async (transaction) => {
    await insertOutbox(transaction, [slow]);
    // These take higher ids and are gone before the lower one becomes visible.
    await fixture.drained(await fixture.commit(later, 2));
  });
  relay.wake();
  await fixture.drained([slow]);
});

test("a relay killed between the bus's acknowledgement and its delete loses nothing and keeps the order", async () => {
  const events = await fixture.commit(testKeys(40), 50);
  const first = await fixture.relayProcess({ crashAfterSends: 2 });
  await first.exited;
  expect(first.signalCode).toBe("SIGKILL");
  const waiting = await fixture.waiting();
  expect(waiting).toBeGreaterThan(0);
  await fixture.relayProcess();
  await fixture.drained(events);
  // The batch of the crash was sent twice: that the crash fell between the two steps is thereby shown.
  expect(fixture.arrived.length).toBeGreaterThan(events.length);
  expect(skippedEvents(fixture.arrived)).toEqual([]);
});

test("two relays divide the shards; a key keeps its order while one joins, one is killed and one stops", async () => {
  const keys = testKeys(60);
  const all = testEvents("payment.settled", keys, 400);
  let isFinished = false;
  const committing = (async () => {
    let at = 0;
    for (; at < all.length && !isFinished; at += keys.length) {
      await fixture.sql.begin((transaction) => insertOutbox(transaction, all.slice(at, at + keys.length)));
      await Bun.sleep(5);
    }
    return all.slice(0, at);
  })();
  const first = await fixture.relayProcess();
  await eventually(async () => [...(await fixture.holders()).values()].join() === "16");
  const second = await fixture.relayProcess();
  await eventually(async () => [...(await fixture.holders()).values()].join() === "8,8");
  first.kill("SIGKILL");
  await eventually(async () => [...(await fixture.holders()).values()].join() === "16");
  await fixture.relayProcess();
  await eventually(async () => [...(await fixture.holders()).values()].join() === "8,8");
  second.kill("SIGTERM");
  expect(await second.exited).toBe(0);
  await eventually(async () => [...(await fixture.holders()).values()].join() === "16");
  isFinished = true;
  await fixture.drained(await committing);
  expect(skippedEvents(fixture.arrived)).toEqual([]);
});

test("a relay that was stopped beyond its leases sends and deletes nothing that another took over", async () => {
  const keys = testKeys(40);
  const first = await fixture.relayProcess();
  const events = await fixture.commit(keys, 5);
  await fixture.drained(events);
  first.kill("SIGSTOP");
  const more = testEvents("payment.settled", keys, 30).slice(keys.length * 5);
  await fixture.sql.begin((transaction) => insertOutbox(transaction, more.slice(0, 500)));
  await fixture.relayProcess();
  await fixture.drained(more.slice(0, 500));
  first.kill("SIGCONT");
  await fixture.sql.begin((transaction) => insertOutbox(transaction, more.slice(500)));
  await fixture.drained(more);
  await eventually(async () => [...(await fixture.holders()).values()].join() === "8,8");
  expect(skippedEvents(fixture.arrived)).toEqual([]);
});

test("an idle relay is woken by another replica's commit, also after its connections were cut", async () => {
  // Neither would look by itself while this test runs.
  const pollMs = 600_000;
  const one = fixture.relay({ pollMs });
  const other = fixture.relay({ pollMs });
  // Each bell starts a round for its relay.
  await eventually(async () => {
    await fixture.sql.notify("outbox", "");
    return [...(await fixture.holders()).values()].join() === "8,8";
  });
  const events = await fixture.commit(testKeys(32), 1);
  one.wake();
  await fixture.drained(events);
  const cut = await fixture.sql`
    select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and usename = current_user and query ilike 'listen%'`;
  expect(cut.length).toBeGreaterThan(0);
  const more = await fixture.commit(testKeys(32), 1);
  await eventually(async () => {
    other.wake();
    await fixture.drained(more, 500);
  });
});

test("with the durable Redis away the outbox waits, and then drains in order", async () => {
  fixture.relay();
  const keys = testKeys(30);
  const all = testEvents("payment.settled", keys, 30);
  const commit = (from: number, to: number) =>
    fixture.sql.begin((transaction) =>
      insertOutbox(transaction, all.slice(from * keys.length, to * keys.length)),
    );
  await commit(0, 10);
  await fixture.drained(all.slice(0, 10 * keys.length));
  await fixture.redis.stop("SIGKILL");
  await commit(10, 20);
  await commit(20, 30);
  expect(await fixture.waiting()).toBe(20 * keys.length);
  await fixture.redis.start();
  await fixture.drained(all);
  expect(skippedEvents(fixture.arrived)).toEqual([]);
});

test("a row that the bus refuses for itself holds up its own shard alone, and metrics tell of it", async () => {
  const keys = testKeys(100);
  const [badKey = ""] = keys;
  await fixture.sql`insert into outbox (topic, key, envelope) values ('payment.unknown', ${badKey}, '{}')`;
  const events = await fixture.commit(keys, 2);
  const [{ shard } = { shard: -1 }] = await fixture.sql<{ shard: number }[]>`
    select shard from outbox where topic = 'payment.unknown'`;
  const rows = await fixture.sql<{ key: string }[]>`select distinct key from outbox where shard <> ${shard}`;
  const free = new Set(rows.map((row) => row.key));
  const metrics = new Metrics("outbox-test");
  fixture.relay({ metrics });
  const sendable = events.filter((event) => free.has(event.key));
  await eventually(() => {
    const ids = new Set(fixture.arrived.map((event) => event.event_id));
    return sendable.every((event) => ids.has(event.event_id));
  });
  const left = events.length - sendable.length + 1;
  await eventually(async () => (await fixture.waiting()) === left);
  await eventually(async () => {
    expect(await metrics.text()).toContain(`payflow_outbox_waiting_events{service="outbox-test"} ${left}\n`);
  });
  expect(await metrics.text()).toContain(
    `payflow_outbox_sent_events_total{service="outbox-test"} ${sendable.length}\n`,
  );
});

test("the shard of a key is the same in every statement, and within 0 to 15 for any key", async () => {
  const keys = Array.from({ length: 500 }, (_, index) => `pay_${index}`);
  const row = outboxRow(testEvent("payment.settled", "pay_1", 1));
  await fixture.sql`
    insert into outbox (topic, key, envelope) select ${row.topic}, key, ${row.envelope} from unnest(${keys}::text[]) key`;
  const [seen] = await fixture.sql<{ least: number; most: number; shards: number; wrong: number }[]>`
    select min(shard) as least, max(shard) as most, count(distinct shard)::int as shards,
           (count(*) filter (where shard <> (hashtext(key) & 15)))::int as wrong from outbox`;
  expect(seen).toEqual({ least: 0, most: 15, shards: 16, wrong: 0 });
});
