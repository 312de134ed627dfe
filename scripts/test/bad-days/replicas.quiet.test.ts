import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { allReady, metricOf } from "../platform/health.ts";
import { documentedApps } from "../platform/open-api.ts";
import { call, raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { startTimedReceiver } from "../platform/timed-receiver.ts";
import { shortWaits, Traffic } from "../platform/traffic.ts";
import { Truth } from "../platform/truth.ts";

setDefaultTimeout(180_000);

const rounds = process.env.PAYFLOW_THOROUGH === undefined ? 1 : 5;
/** What the contract gives a process from SIGTERM to its end. */
const endsWithinMs = 25_000;

let installation: RunningInstallation;
let truth: Truth;
let tenant: TestTenant;
let receiver: ReturnType<typeof startTimedReceiver>;

beforeAll(async () => {
  receiver = startTimedReceiver();
  installation = await startInstallation({
    isDurable: false,
    replicas: 2,
    env: shortWaits,
  });
  truth = new Truth(installation);
  tenant = await registerTenant(installation);
  await raiseLimits(installation, tenant);
  const hook = await call(`${installation.url("tenant")}/tenants/${tenant.tenantId}/webhook`, "PUT", {
    key: tenant.liveKey,
    body: { url: `${receiver.url}/works` },
  });
  expect(hook.status).toBe(200);
}, 60_000);

afterAll(async () => {
  await truth?.close();
  await installation?.stop();
  await receiver?.stop();
});

/** By what each replica of an app shows that it does its part. */
const parts: readonly [app: string, metric: string, labels: RegExp][] = [
  ["payment", "payflow_http_request_seconds_count", /route="\/payments"/],
  ["payment", "payflow_outbox_sent_events_total", /^/],
  ["payment", "payflow_bus_handled_events_total", /^/],
  ["ledger", "payflow_bus_handled_events_total", /^/],
  ["ledger", "payflow_ledger_booked_transfers_total", /^/],
  ["notifier", "payflow_bus_handled_events_total", /^/],
  ["notifier", "payflow_webhook_attempts_total", /^/],
  ["fraud", "payflow_bus_handled_events_total", /^/],
  ["fraud", "payflow_fraud_decisions_total", /^/],
  ["tenant", "payflow_http_request_seconds_count", /route="\/tenants\/me"/],
];

/** No event has two effects: not two movements, messages, deliveries, flags or outcomes. */
async function oneEffectEach(): Promise<void> {
  const twice = await Promise.all([
    truth.ledger`select payment_id, refund_id from transfer group by 1, 2 having count(*) > 1`,
    truth.notifier`select tenant_id, mode, event_id from message group by 1, 2, 3 having count(*) > 1`,
    truth.notifier`select endpoint_id, message_id from delivery group by 1, 2 having count(*) > 1`,
    truth.fraud`select payment_id from decision group by 1 having count(*) > 1`,
    truth.notifier`
      select body::json->>'payment_id' as payment, event from message
       where event in ('payment.created', 'payment.settled') group by 1, 2 having count(*) > 1`,
    truth.payment`select id from payment where status = 'succeeded' and amount_captured = 0`,
  ]);
  expect(twice.map((rows) => [...rows])).toEqual(twice.map(() => []));
}

async function everySettledIsTold(): Promise<void> {
  await eventually(
    async () => {
      const settled = await truth.payment`
        select id from payment where status in ('succeeded', 'failed', 'voided', 'expired')
          or (status = 'flagged' and fraud_decision = 'block')`;
      const told = new Set(
        receiver.received
          .filter(({ body }) => body.event === "payment.settled")
          .map(({ body }) => body.payment_id),
      );
      expect(settled.filter(({ id }) => !told.has(id)).length).toBe(0);
    },
    { timeoutMs: 60_000, everyMs: 250 },
  );
}

test("two replicas of every app share the work, and no event has two effects", async () => {
  const traffic = new Traffic(installation, tenant, 16);
  const working = () =>
    eventually(
      async () => {
        // A new connection each, so that the kernel has something to spread.
        const headers = { "x-api-key": tenant.liveKey, connection: "close" };
        await fetch(`${installation.url("tenant")}/tenants/me`, { headers });
        for (const [app, name, labels] of parts) {
          for (const replica of [1, 2]) {
            const done = await metricOf(installation.replicaUrl(app, replica), name, labels);
            expect([app, replica, name, done > 0]).toEqual([app, replica, name, true]);
          }
        }
      },
      { timeoutMs: 40_000, everyMs: 250 },
    );
  await traffic.during(working);
  expect(traffic.unexpected).toEqual([]);
  await truth.settled();
  await truth.addsUp();
  await truth.holds(traffic.acknowledged);
  await everySettledIsTold();
  await oneEffectEach();
  // Nothing failed and nobody was killed, so that even "at least once" means once.
  const ids = receiver.received.map(({ id }) => id);
  expect(ids.length).toBe(new Set(ids).size);
});

test("all replicas are replaced one by one under load, and nothing acknowledged is lost", async () => {
  const traffic = new Traffic(installation, tenant, 12);
  const ends: [string, number | null, boolean][] = [];
  await traffic.during(async () => {
    for (let round = 0; round < rounds; round += 1) {
      for (const app of documentedApps) {
        for (const replica of [1, 2]) {
          const sofar = traffic.acknowledged.length;
          const startedAt = performance.now();
          const exitCode = await installation.installation.stopApp(app, replica);
          ends.push([`${app}-${replica}`, exitCode, performance.now() - startedAt < endsWithinMs]);
          // The other one goes on alone.
          await eventually(() => traffic.acknowledged.length > sofar, { timeoutMs: 20_000 });
          await installation.installation.startApp(app, replica);
        }
      }
    }
  });
  expect(ends).toEqual(ends.map(([name]) => [name, 0, true]));
  expect(traffic.unexpected).toEqual([]);
  await allReady(installation);
  await truth.settled();
  await truth.addsUp();
  await truth.holds(traffic.acknowledged);
  await everySettledIsTold();
  await oneEffectEach();
});

test("SIGTERM ends every replica in time, also with every store away", async () => {
  const stores = ["postgres", "cache", "durable"] as const;
  const traffic = new Traffic(installation, tenant, 6);
  await traffic.during(async () => {
    await Promise.all(stores.map((store) => installation.installation.stopStore(store, "SIGKILL")));
    const startedAt = performance.now();
    const exits = await Promise.all(documentedApps.map((app) => installation.installation.stopApp(app, 2)));
    expect(exits).toEqual(documentedApps.map(() => 0));
    expect(performance.now() - startedAt).toBeLessThan(endsWithinMs);
    await Promise.all(stores.map((store) => installation.installation.startStore(store)));
    await Promise.all(documentedApps.map((app) => installation.installation.startApp(app, 2)));
    await allReady(installation);
  });
  expect(traffic.unexpected).toEqual([]);
  await truth.settled();
  await truth.addsUp();
  await truth.holds(traffic.acknowledged);
});
