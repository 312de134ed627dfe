import { afterEach, beforeEach, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { attemptDelivery } from "../src/queue/attempt-delivery.ts";
import {
  type NotifierDatabase,
  newOwner,
  notifierDatabase,
  paymentSettled,
  startReplica,
} from "./fixture.ts";
import { expectConsistentQueue } from "./queue-state.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

let database: NotifierDatabase;
let receiver: Receiver;

beforeEach(async () => {
  database = await notifierDatabase();
  receiver = startReceiver();
}, 60_000);

afterEach(async () => {
  receiver.close();
  await expectConsistentQueue(database.sql);
  await database.drop();
}, 60_000);

const left = async () => {
  const [row] = await database.sql<{ n: number }[]>`select count(*)::integer as n from delivery_queue`;
  return row?.n;
};
const attemptsOf = async (replica: { metricsText(): Promise<string> }) =>
  Number(
    /payflow_webhook_attempts_total\{.*outcome="delivered".*\} (\d+)/.exec(
      await replica.metricsText(),
    )?.[1] ?? 0,
  );

test("two replicas share the work, and no delivery is made twice", async () => {
  const owners = Array.from({ length: 10 }, () => newOwner());
  const filler = startReplica(database, { isWorking: false });
  // Answers only once more attempts are under way than one replica has places.
  const crowded = Promise.withResolvers<void>();
  const shared = startReceiver(async () => {
    if (shared.received.length > 20) crowded.resolve();
    await crowded.promise;
    return new Response();
  });
  for (const owner of owners) await filler.putDefault(owner, shared.url);
  const events = owners.flatMap((owner) => Array.from({ length: 100 }, () => paymentSettled(owner)));
  await filler.consume(...events);
  expect(await left()).toBe(1_000);
  const replicas = [0, 1].map(() => startReplica(database.connect(), { maxInFlight: 20 }));
  await eventually(async () => (await left()) === 0, { timeoutMs: 25_000 });
  const ids = shared.received.map((one) => one.headers.get("webhook-id"));
  expect(ids).toHaveLength(1_000);
  expect(new Set(ids)).toEqual(new Set(events.map((event) => event.event_id)));
  const counts = await Promise.all(replicas.map(attemptsOf));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1_000);
  for (const count of counts) expect(count).toBeGreaterThan(0);
  await Promise.all([...replicas, filler].map((replica) => replica.stop()));
  shared.close();
});

test("claims at the same moment never give one delivery to two, nor pass the caps", async () => {
  const owner = newOwner();
  const stores = Array.from({ length: 4 }, () => startReplica(database.connect(), { isWorking: false }));
  const [first] = stores;
  for (let count = 0; count < 10; count += 1) {
    await first?.call(owner, "POST", "/webhook-endpoints", {
      url: receiver.url,
      events: ["payment.settled"],
    });
  }
  await first?.consume(...Array.from({ length: 100 }, () => paymentSettled(owner)));
  const claims = await Promise.all(
    Array.from({ length: 40 }, (_, index) => stores[index % 4]?.queue.claim(50, 0, 60_000)),
  );
  const claimed = claims.flatMap((claim) => claim?.deliveries ?? []);
  expect(new Set(claimed.map((one) => one.deliveryId)).size).toBe(claimed.length);
  // Ten endpoints that have not proven themselves, four places each.
  expect(claimed.length).toBeLessThanOrEqual(40);
  expect(claimed.length).toBeGreaterThan(0);
  await Promise.all(stores.map((store) => store.stop()));
});

test("replicas that read one event at the same time queue it once", async () => {
  const owner = newOwner();
  const replicas = Array.from({ length: 4 }, () => startReplica(database.connect(), { isWorking: false }));
  await replicas[0]?.putDefault(owner, receiver.url);
  const events = Array.from({ length: 50 }, () => paymentSettled(owner));
  const orders = [events, events.toReversed(), events.slice(10), events];
  await Promise.all(replicas.map((replica, index) => replica.consume(...(orders[index] ?? []))));
  expect(await left()).toBe(50);
  const [row] = await database.sql<{ n: number }[]>`select count(*)::integer as n from delivery`;
  expect(row?.n).toBe(50);
  await Promise.all(replicas.map((replica) => replica.stop()));
});

test("what a lost worker had under its lease is sent by another; what it still says then changes nothing", async () => {
  const owner = newOwner();
  const lost = startReplica(database, { isWorking: false });
  await lost.putDefault(owner, receiver.url);
  await lost.consume(paymentSettled(owner));
  const { deliveries } = await lost.queue.claim(10, 0, 25_000);
  const [claimed] = deliveries;
  if (claimed === undefined) throw new Error("nothing was claimed");
  const sending = (await lost.call(owner, "GET", "/webhook-deliveries?status=sending")).body.data;
  expect(sending).toHaveLength(1);
  expect((await lost.call(owner, "POST", `/webhook-deliveries/${claimed.deliveryId}/resend`)).status).toBe(
    409,
  );
  const other = startReplica(database.connect(), { isWorking: false });
  await database.advance(24);
  expect(await other.queue.expire(10)).toBe(0);
  await database.advance(2);
  expect(await other.queue.expire(10)).toBe(1);
  const [again] = (await other.queue.claim(10, 0, 25_000)).deliveries;
  if (again === undefined) throw new Error("nothing was claimed again");
  expect([again.deliveryId, again.number]).toEqual([claimed.deliveryId, 2]);
  const path = `/webhook-deliveries/${claimed.deliveryId}`;
  const late = await attemptDelivery(lost, claimed, performance.now());
  await lost.queue.finish([{ ...late, outcome: "failed", error: "timeout" }]);
  expect((await other.call(owner, "GET", path)).body.status).toBe("sending");
  await expectConsistentQueue(database.sql);
  await other.queue.finish([await attemptDelivery(other, again, performance.now())]);
  const { body } = await other.call(owner, "GET", path);
  expect(body).toMatchObject({ status: "delivered", attempt_count: 2 });
  expect(body.attempts.map((attempt: { error: string | null }) => attempt.error)).toEqual([
    "timeout",
    "worker_lost",
    null,
  ]);
  await Promise.all([lost.stop(), other.stop()]);
});

test("a replica that stops records what it had begun", async () => {
  const owner = newOwner();
  const gate = Promise.withResolvers<void>();
  const slow = startReceiver(async () => {
    await gate.promise;
    return new Response("late");
  });
  const replica = startReplica(database);
  await replica.putDefault(owner, slow.url);
  await replica.consume(...Array.from({ length: 3 }, () => paymentSettled(owner)));
  await eventually(() => slow.received.length === 3);
  const stopping = replica.stop();
  gate.resolve();
  await stopping;
  expect(await left()).toBe(0);
  slow.close();
});

test("with PostgreSQL's connections cut, the worker goes on once they are back", async () => {
  const owner = newOwner();
  const replica = startReplica(database.connect());
  await replica.putDefault(owner, receiver.url);
  await database.owner.sql`select 1`;
  await database.sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = current_user and pid <> pg_backend_pid()`;
  await eventually(async () => {
    await replica.consume(paymentSettled(owner));
  });
  await eventually(async () => receiver.received.length > 0 && (await left()) === 0);
  await replica.stop();
});
