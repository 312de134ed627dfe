import { afterAll, beforeAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import {
  type NotifierDatabase,
  newOwner,
  notifierDatabase,
  type Owner,
  paymentSettled,
  type Replica,
  startReplica,
} from "./fixture.ts";
import { startReceiver } from "./receiver.ts";

const day = 86_400;
let database: NotifierDatabase;
let notifier: Replica;

beforeAll(async () => {
  database = await notifierDatabase();
  notifier = startReplica(database);
}, 60_000);

afterAll(async () => {
  await notifier.stop();
  await database.drop();
});

async function failingEndpoint() {
  const owner = newOwner();
  const receiver = startReceiver(() => new Response("", { status: 500 }));
  const made = await notifier.call(owner, "POST", "/webhook-endpoints", {
    url: receiver.url,
    events: ["payment.settled"],
  });
  const path = `/webhook-endpoints/${made.body.endpoint_id}`;
  const read = async () => (await notifier.call(owner, "GET", path)).body;
  return { owner, receiver, path, read };
}

/** Lets `count` messages fail once each, the breaker's pauses passed over. */
async function fail(
  owner: Owner,
  read: () => Promise<{ health: { failed_messages: number } }>,
  count: number,
) {
  const goal = (await read()).health.failed_messages + count;
  await notifier.consume(...Array.from({ length: count }, () => paymentSettled(owner)));
  await eventually(
    async () => {
      await database.sql.begin(async (sql) => {
        await sql`select lock_tenants(array[${owner.tenantId}], array[${owner.mode}])`;
        await sql`update endpoint_queue set paused_until = '-infinity' where tenant_id = ${owner.tenantId}`;
        await sql`select refresh_queue(array(select endpoint_id from endpoint_queue
          where tenant_id = ${owner.tenantId}), array[${owner.tenantId}], array[${owner.mode}])`;
      });
      notifier.worker?.wake();
      return (await read()).health.failed_messages === goal;
    },
    { timeoutMs: 20_000 },
  );
}

test("5 days and 10 messages without a success disable it, with warnings at 50 and 75 percent, and a probe after", async () => {
  const { owner, receiver, path, read } = await failingEndpoint();
  await fail(owner, read, 5);
  expect((await read()).health).toMatchObject({ failed_messages: 5, warning: null });
  await database.advance(2.6 * day);
  await fail(owner, read, 1);
  expect(await read()).toMatchObject({ enabled: true, health: { warning: 50 } });
  await fail(owner, read, 2);
  expect((await read()).health.warning).toBe(50);
  await database.advance(1.2 * day);
  await fail(owner, read, 1);
  expect(await read()).toMatchObject({ enabled: true, health: { warning: 75 } });
  await database.advance(1.3 * day);
  // Nine messages in more than five days are not enough yet.
  expect((await read()).enabled).toBe(true);
  await fail(owner, read, 1);
  const disabled = await eventually(async () => {
    const now = await read();
    return !now.enabled && now;
  });
  expect(disabled).toMatchObject({ disabled_reason: "failing" });
  expect(disabled.health.next_probe_at).not.toBeNull();
  const { data } = (await notifier.call(owner, "GET", "/webhook-deliveries?status=pending&limit=100")).body;
  expect(data.length).toBeGreaterThan(0);
  const before = receiver.received.length;
  await notifier.probe();
  expect(receiver.received).toHaveLength(before);
  await database.advance(3_601);
  await notifier.probe();
  expect(receiver.received).toHaveLength(before + 1);
  expect((await read()).enabled).toBe(false);
  await notifier.probe();
  expect(receiver.received).toHaveLength(before + 1);
  expect((await notifier.call(owner, "PATCH", path, { description: "still off" })).body.enabled).toBe(false);
  receiver.close();
  expect(await notifier.metricsText()).toMatch(/endpoints_disabled_total\{.*reason="failing".*\} 1/);
});

test("a probe that is taken enables the endpoint again, and what waited is delivered", async () => {
  const { owner, receiver, path, read } = await failingEndpoint();
  await fail(owner, read, 9);
  await database.advance(5.1 * day);
  await fail(owner, read, 1);
  await eventually(async () => !(await read()).enabled);
  receiver.close();
  const healthy = startReceiver();
  await database.sql`update endpoint set url = ${healthy.url} where tenant_id = ${owner.tenantId}`;
  await database.advance(3_601);
  await notifier.probe();
  const enabled = await read();
  expect(enabled).toMatchObject({ enabled: true, disabled_reason: null });
  expect(enabled.health).toMatchObject({ failed_messages: 0, warning: null, next_probe_at: null });
  expect(healthy.received[0]?.body).toContain("webhook.test");
  await eventually(async () => {
    await database.advance(3_600);
    notifier.worker?.wake();
    return (await notifier.call(owner, "GET", "/webhook-deliveries?status=pending")).body.data.length === 0;
  });
  expect((await notifier.call(owner, "GET", path)).body.health.last_success_at).not.toBeNull();
  healthy.close();
});

test("a success between failures begins the count anew", async () => {
  const { owner, receiver, path, read } = await failingEndpoint();
  await fail(owner, read, 9);
  await database.advance(4 * day);
  const healthy = startReceiver();
  await notifier.call(owner, "PATCH", path, { url: healthy.url });
  await notifier.consume(paymentSettled(owner));
  await eventually(async () => (await read()).health.last_success_at !== null);
  expect((await read()).health).toMatchObject({ failed_messages: 0, failing_since: null, warning: null });
  receiver.close();
  healthy.close();
});

test("neither an endpoint that its owner disabled nor one that is gone is probed", async () => {
  const { owner, receiver, path } = await failingEndpoint();
  await notifier.call(owner, "PATCH", path, { enabled: false });
  await database.advance(10 * day);
  await notifier.probe();
  expect(receiver.received).toHaveLength(0);
  receiver.close();
});
