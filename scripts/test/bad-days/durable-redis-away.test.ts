import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { freeze } from "@payflow/one-machine/processes/freeze.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { Redis } from "ioredis";
import { WebhookReceiver } from "../../demo/receiver.ts";
import { allReady, appPids, healthOf } from "../platform/health.ts";
import { documentedApps } from "../platform/open-api.ts";
import { call, pay, raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { shortWaits, Traffic } from "../platform/traffic.ts";
import { Truth } from "../platform/truth.ts";

setDefaultTimeout(120_000);

const awayMs = process.env.PAYFLOW_THOROUGH === undefined ? 3_000 : 10_000;

let installation: RunningInstallation;
let truth: Truth;
let tenant: TestTenant;
let receiver: WebhookReceiver;

beforeAll(async () => {
  receiver = new WebhookReceiver();
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
    body: { url: receiver.url },
  });
  receiver.trust(hook.body.signing_secret);
}, 60_000);

afterAll(async () => {
  await truth?.close();
  await installation?.stop();
  await receiver?.close();
});

/** Every event that payment sent has reached the tenant's receiver, and none that it did not. */
async function allDelivered(): Promise<void> {
  await eventually(
    async () => {
      const [due] = await truth.payment`
        select (select count(*)::int from payment where tenant_id = ${tenant.tenantId}) as created,
               (select count(*)::int from payment where tenant_id = ${tenant.tenantId}
                  and status in ('succeeded', 'failed', 'voided', 'expired')
                   or (status = 'flagged' and fraud_decision = 'block')) as settled,
               (select count(*)::int from refund where tenant_id = ${tenant.tenantId}) as refunds`;
      expect({
        created: receiver.distinct("payment.created").length,
        settled: receiver.distinct("payment.settled").length,
        refunds: receiver.distinct("refund.settled").length,
      }).toEqual({ created: due?.created, settled: due?.settled, refunds: due?.refunds });
    },
    { timeoutMs: 60_000, everyMs: 250 },
  );
  expect(receiver.refused).toBe(0);
}

/** Follows the topic of settled refunds from the moment Redis is there; returns the events in their order. */
function follow(): { stop(): Promise<{ key: string; sequence: number }[]> } {
  const redis = new Redis(installation.durableRedisUrl, { retryStrategy: () => 20 });
  redis.on("error", () => {});
  const streams = Array.from({ length: 8 }, (_, partition) => `bus:refund.settled:${partition}`);
  const positions = streams.map(() => "0");
  const seen: { key: string; sequence: number }[] = [];
  let isOver = false;
  const reading = (async () => {
    while (!isOver) {
      const replies = await redis
        .xread("COUNT", 1_000, "BLOCK", 200, "STREAMS", ...streams, ...positions)
        .catch(() => null);
      for (const [stream, entries] of replies ?? []) {
        for (const [position, fields] of entries) {
          positions[streams.indexOf(stream)] = position;
          const envelope = fields.find((text) => text.startsWith("{")) ?? "{}";
          seen.push(JSON.parse(envelope));
        }
      }
      if (replies === null) await Bun.sleep(1);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await reading;
      redis.disconnect();
      return seen;
    },
  };
}

async function refundThrice(paymentId: string): Promise<void> {
  for (const amount of [100, 200, 300]) {
    const url = `${installation.url("payment")}/payments/${paymentId}/refunds`;
    const refund = await call(url, "POST", { key: tenant.liveKey, body: { amount } });
    expect([refund.status, refund.body.status]).toEqual([201, "succeeded"]);
  }
}

/** Payments and refunds go on, their events wait, and then all arrive, each payment's in their order. */
async function waitsAndDrains(leave: () => Promise<void>, come: () => Promise<void>): Promise<void> {
  const before = appPids(installation);
  await leave();
  const traffic = new Traffic(installation, tenant, 6);
  const refunded: string[] = [];
  const waits = async () => {
    const until = performance.now() + awayMs;
    while (performance.now() < until) {
      const payment = await pay(installation, tenant.liveKey, { amount: 1_000 });
      expect([payment.status, payment.body.status]).toEqual([201, "succeeded"]);
      if (refunded.length < 40) {
        await refundThrice(payment.body.payment_id);
        refunded.push(payment.body.payment_id);
      }
    }
    // Only ingest cannot serve without it, and says so.
    await allReady(
      installation,
      30_000,
      documentedApps.filter((app) => app !== "ingest"),
    );
    expect(await healthOf(installation, "ingest", "/readyz")).toBe(503);
    expect(await healthOf(installation, "ingest", "/livez")).toBe(200);
    const [waiting] = await truth.payment`select count(*)::int as count from outbox`;
    expect(waiting?.count).toBeGreaterThan(7 * refunded.length);
    const booked = await truth.ledger`select 1 from transfer where payment_id = any(${refunded})`;
    expect(booked.length).toBe(0);
  };
  // What every group has read is trimmed soon, so that it has to be followed from the first moment on.
  const following = follow();
  await traffic.during(() => waits().finally(come));
  expect(traffic.unexpected).toEqual([]);
  await truth.settled();
  const events = await following.stop();
  for (const paymentId of refunded) {
    const sequences = events.filter(({ key }) => key === paymentId).map(({ sequence }) => sequence);
    // An event may come twice, but never after a later one came for the first time.
    const firsts = [...new Set(sequences)];
    expect(firsts).toHaveLength(3);
    expect(firsts).toEqual(firsts.toSorted((left, right) => left - right));
  }
  await truth.addsUp();
  await truth.holds(traffic.acknowledged);
  await allDelivered();
  await allReady(installation);
  expect(appPids(installation)).toEqual(before);
}

test("with the durable Redis away payments go on, and their events wait and come in order", () =>
  waitsAndDrains(
    () => installation.installation.stopStore("durable"),
    () => installation.installation.startStore("durable"),
  ));

test("with the durable Redis silent payments go on, and their events wait and come in order", async () => {
  const server = installation.installation.processes().find(({ name }) => name === "redis-durable");
  let thaw = () => {};
  await waitsAndDrains(
    async () => {
      thaw = freeze(server?.pid ?? 0);
    },
    async () => thaw(),
  );
});

test("kill -9 of the durable Redis under load, again and again, loses no event", async () => {
  const traffic = new Traffic(installation, tenant, 8);
  await traffic.during(async () => {
    for (let round = 0; round < (process.env.PAYFLOW_THOROUGH === undefined ? 4 : 20); round += 1) {
      await Bun.sleep(200 + Math.random() * 500);
      await installation.installation.stopStore("durable", "SIGKILL");
      await installation.installation.startStore("durable");
    }
  });
  expect(traffic.unexpected).toEqual([]);
  await truth.settled();
  await truth.addsUp();
  await truth.holds(traffic.acknowledged);
  await allDelivered();
});
