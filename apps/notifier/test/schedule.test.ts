import { afterAll, beforeAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { offsetsSeconds } from "../src/queue/schedule.ts";
import {
  type NotifierDatabase,
  newOwner,
  notifierDatabase,
  paymentSettled,
  startReplica,
} from "./fixture.ts";
import { expectConsistentQueue } from "./queue-state.ts";
import { startReceiver } from "./receiver.ts";

let database: NotifierDatabase;

beforeAll(async () => {
  database = await notifierDatabase();
}, 60_000);

afterAll(async () => {
  await expectConsistentQueue(database.sql);
  await database.drop();
});

/** Seconds from the first attempt to when the next is due, and from now, by the store's clock. */
async function nextDue(): Promise<{ fromFirst: number; fromNow: number; attempts: number } | undefined> {
  const [row] = await database.sql<{ fromFirst: number; fromNow: number; attempts: number }[]>`
    select extract(epoch from due - first_attempt_at)::double precision as "fromFirst",
           extract(epoch from due - now())::double precision as "fromNow", attempts
      from delivery_queue where lease is null`;
  return row;
}

test("over three days a message is tried ten times, each when it is due and not before, and then fails", async () => {
  const owner = newOwner();
  const receiver = startReceiver(() => new Response("no", { status: 500 }));
  const notifier = startReplica(database);
  const { body: endpoint } = await notifier.call(owner, "POST", "/webhook-endpoints", {
    url: receiver.url,
    events: ["payment.settled"],
  });
  const event = paymentSettled(owner);
  await notifier.consume(event);
  for (let attempts = 1; attempts < 10; attempts += 1) {
    const due = await eventually(async () => {
      const next = await nextDue();
      return next?.attempts === attempts && next;
    });
    const [before = 0, planned = 0] = offsetsSeconds.slice(attempts - 1);
    expect(due.fromFirst).toBeGreaterThanOrEqual(planned);
    expect(due.fromFirst).toBeLessThanOrEqual(planned + 0.1 * (planned - before) + 2);
    await database.advance(due.fromNow - 5);
    expect((await notifier.queue.claim(10, 0, 1_000)).deliveries).toEqual([]);
    expect(receiver.received).toHaveLength(attempts);
    await database.advance(6);
    notifier.worker?.wake();
  }
  const path = "/webhook-deliveries?status=failed";
  const [failed] = await eventually(async () => {
    const { data } = (await notifier.call(owner, "GET", path)).body;
    return data.length === 1 && data;
  });
  expect(failed).toMatchObject({ attempt_count: 10, last_status_code: 500, next_attempt_at: null });
  const { body: whole } = await notifier.call(owner, "GET", `/webhook-deliveries/${failed.delivery_id}`);
  expect(whole.attempts.map((attempt: { number: number }) => attempt.number)).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  ]);
  expect(new Set(receiver.received.map((one) => one.headers.get("webhook-id")))).toEqual(
    new Set([event.event_id]),
  );
  expect(new Set(receiver.received.map((one) => one.body)).size).toBe(1);
  const { body: read } = await notifier.call(owner, "GET", `/webhook-endpoints/${endpoint.endpoint_id}`);
  expect(read.health).toMatchObject({ consecutive_failures: 10, failed_messages: 1 });
  await notifier.stop();
  receiver.close();
});

test("an attempt that comes late is not followed by the next one at once", async () => {
  const owner = newOwner();
  const receiver = startReceiver(() => new Response("no", { status: 500 }));
  const notifier = startReplica(database);
  await notifier.call(owner, "POST", "/webhook-endpoints", {
    url: receiver.url,
    events: ["payment.settled"],
  });
  await notifier.consume(paymentSettled(owner));
  await eventually(async () => (await nextDue())?.attempts === 1);
  await database.advance(20 * 3_600);
  notifier.worker?.wake();
  const due = await eventually(async () => {
    const next = await nextDue();
    return next?.attempts === 2 && next;
  });
  expect(due.fromNow).toBeGreaterThan(25);
  expect(receiver.received).toHaveLength(2);
  await notifier.call(owner, "GET", "/webhook-endpoints");
  await notifier.stop();
  receiver.close();
});

test("ten failures in a row open the breaker: then one at a time, after a pause; a success closes it", async () => {
  const owner = newOwner();
  let status = 500;
  const receiver = startReceiver(() => new Response("", { status }));
  const notifier = startReplica(database);
  const { body: endpoint } = await notifier.call(owner, "POST", "/webhook-endpoints", {
    url: receiver.url,
    events: ["payment.settled"],
  });
  const queue = async () => {
    const [row] = await database.sql<{ cap: number; pausedFor: number; failures: number }[]>`
      select cap, extract(epoch from paused_until - now())::double precision as "pausedFor",
             consecutive_failures as failures
        from endpoint_queue where endpoint_id = ${endpoint.endpoint_id}`;
    return row;
  };
  await notifier.consume(...Array.from({ length: 30 }, () => paymentSettled(owner)));
  const open = await eventually(async () => {
    const row = await queue();
    return row !== undefined && row.failures >= 10 && row;
  });
  expect(open.cap).toBe(1);
  expect(open.pausedFor).toBeGreaterThan(0);
  expect(open.pausedFor).toBeLessThanOrEqual(60);
  expect(receiver.received.length).toBeLessThan(30);
  status = 200;
  await database.advance(61);
  notifier.worker?.wake();
  await eventually(async () => ((await queue())?.failures === 0 && (await queue())?.cap) || false);
  await eventually(
    async () => {
      await database.advance(40);
      notifier.worker?.wake();
      const { data } = (await notifier.call(owner, "GET", "/webhook-deliveries?status=delivered&limit=100"))
        .body;
      return data.length === 30;
    },
    { timeoutMs: 25_000 },
  );
  expect((await queue())?.cap).toBeGreaterThan(4);
  await notifier.stop();
  receiver.close();
});
