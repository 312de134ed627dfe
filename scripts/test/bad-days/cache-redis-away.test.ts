import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomUUID } from "node:crypto";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { freeze } from "@payflow/one-machine/processes/freeze.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { Redis } from "ioredis";
import { allReady, appPids, healthOf } from "../platform/health.ts";
import { documentedApps } from "../platform/open-api.ts";
import {
  type Answer,
  adminCall,
  pay,
  raiseLimits,
  registerTenant,
  type TestTenant,
} from "../platform/platform.ts";
import { shortWaits, Traffic } from "../platform/traffic.ts";
import { Truth } from "../platform/truth.ts";

setDefaultTimeout(120_000);

let installation: RunningInstallation;
let truth: Truth;

beforeAll(async () => {
  installation = await startInstallation({
    isDurable: false,
    replicas: 2,
    env: shortWaits,
  });
  truth = new Truth(installation);
}, 60_000);

afterAll(async () => {
  await truth?.close();
  await installation?.stop();
});

async function newTenant(): Promise<TestTenant> {
  const tenant = await registerTenant(installation);
  await raiseLimits(installation, tenant);
  return tenant;
}

const stop = () => installation.installation.stopStore("cache", "SIGKILL");

async function start(): Promise<void> {
  await installation.installation.startStore("cache");
  await allReady(installation);
}

/** Everything in it is lost while all go on: keys, limits, counters, the changes told of, and the scripts. */
async function flush(): Promise<void> {
  const redis = new Redis(installation.cacheRedisUrl);
  try {
    await redis.flushall();
    await redis.script("FLUSH");
  } finally {
    redis.disconnect();
  }
}

const isScored = (payment: Answer) => payment.body.fraud?.rules?.includes("fail_mode") !== true;

/** Waits until payments are scored again, as they are when nothing is wrong. */
async function scoredAgain(tenant: TestTenant): Promise<void> {
  await eventually(
    async () => {
      const answer = await pay(installation, tenant.liveKey);
      expect([answer.status, answer.body.status, isScored(answer)]).toEqual([201, "succeeded", true]);
    },
    { timeoutMs: 20_000, everyMs: 200 },
  );
}

/** 200 requests at once with one key are one payment and one charge, and so is every later repeat. */
async function staysOne(tenant: TestTenant): Promise<void> {
  const idempotencyKey = randomUUID();
  const body = { amount: 2_400, customer_id: "one-of-many", description: "Grüße, 東京" };
  const send = (changes = {}) => pay(installation, tenant.liveKey, { ...body, ...changes }, idempotencyKey);
  const answers = await Promise.all(Array.from({ length: 200 }, () => send()));
  const first = answers.filter((one) => one.status === 201 && !one.headers.has("idempotent-replayed"));
  expect(first.map((one) => one.status)).toEqual([201]);
  for (const one of answers) {
    if (one.status === 201) expect(one.text).toBe(first[0]?.text ?? "");
    else expect([one.status, one.body.code]).toEqual([409, "idempotency_in_progress"]);
    if (one.status === 409) expect(Number(one.headers.get("retry-after"))).toBeGreaterThan(0);
  }
  const again = await send();
  expect([again.status, again.text]).toEqual([201, first[0]?.text ?? ""]);
  expect(again.headers.get("idempotent-replayed")).toBe("true");
  const other = await send({ amount: 2_401 });
  expect([other.status, other.body.code]).toEqual([422, "idempotency_key_reused"]);
  expect(other.body.errors.map((one: { pointer: string }) => one.pointer)).toEqual(["/amount"]);

  const made = await truth.payment`
    select id from payment where tenant_id = ${tenant.tenantId} and customer_id = 'one-of-many'`;
  expect(made.map((row) => row.id)).toEqual([again.body.payment_id]);
  const charges = await truth.processor`select calls from charge where key = ${again.body.payment_id}`;
  expect(charges.map((row) => row.calls)).toEqual([1]);
}

describe("200 simultaneous payments with one key are one payment and one charge", () => {
  test("when nothing is wrong", async () => {
    await staysOne(await newTenant());
  });

  test("with the cache Redis stopped", async () => {
    const tenant = await newTenant();
    await stop();
    try {
      await staysOne(tenant);
    } finally {
      await start();
    }
  });

  test("and the cache Redis flushed meanwhile, and before the repeat", async () => {
    const tenant = await newTenant();
    let isOver = false;
    const flushing = (async () => {
      while (!isOver) await flush();
    })();
    await staysOne(tenant).finally(() => {
      isOver = true;
    });
    await flushing;
  });
});

/** What holds while the cache Redis is gone, however it went; then it comes back. */
async function goesOnWithout(leave: () => Promise<void>, come: () => Promise<void>): Promise<void> {
  const tenant = await newTenant();
  await scoredAgain(tenant);
  const before = appPids(installation);
  const traffic = new Traffic(installation, tenant, 6);
  await traffic.during(async () => {
    await leave();
    try {
      await eventually(async () => (await healthOf(installation, "fraud", "/readyz")) === 503);
      const unscored = await pay(installation, tenant.liveKey);
      expect([unscored.status, unscored.body.status]).toEqual([201, "flagged"]);
      expect(unscored.body.fraud).toMatchObject({ decision: "review", rules: ["fail_mode"], score: null });
      // A key that no process has seen yet is asked from the tenant app.
      const unseen = await newTenant();
      expect((await pay(installation, unseen.liveKey)).status).toBe(201);
      for (const app of documentedApps) {
        const seen = await Promise.all([
          healthOf(installation, app, "/readyz"),
          healthOf(installation, app, "/livez"),
          healthOf(installation, app, "/health"),
        ]);
        expect([app, ...seen]).toEqual([app, app === "fraud" ? 503 : 200, 200, 200]);
      }
      const sofar = traffic.acknowledged.length;
      await eventually(() => traffic.acknowledged.length > sofar + 20, { timeoutMs: 30_000 });
    } finally {
      await come();
    }
    await scoredAgain(tenant);
  });
  expect(traffic.unexpected).toEqual([]);
  expect(appPids(installation)).toEqual(before);
  await truth.settled();
  await truth.addsUp();
  await truth.holds(traffic.acknowledged);
}

test("with the cache Redis away payments go on by the fail mode, and only fraud is not ready", () =>
  goesOnWithout(stop, start));

test("with the cache Redis silent payments go on by the fail mode, and only fraud is not ready", async () => {
  const server = installation.installation.processes().find(({ name }) => name === "redis-cache");
  let thaw = () => {};
  await goesOnWithout(
    async () => {
      thaw = freeze(server?.pid ?? 0);
    },
    async () => {
      thaw();
      await allReady(installation);
    },
  );
});

test("with the cache Redis away each process keeps a tenant's limits by itself", async () => {
  const tenant = await registerTenant(installation);
  const limits = {
    requests_per_second: 1,
    burst: 5,
    events_per_second: 10_000,
    monthly_events: null,
    max_payment_amount: 5_000,
  };
  const set = await adminCall(installation, "tenant", "PUT", `/tenants/${tenant.tenantId}/limits`, limits);
  expect(set.status).toBe(200);
  await stop();
  try {
    const over = await pay(installation, tenant.liveKey, { amount: 5_001 });
    expect([over.status, over.body.code]).toEqual([422, "amount_over_limit"]);
    const answers = await Promise.all(Array.from({ length: 40 }, () => pay(installation, tenant.liveKey)));
    const allowed = answers.filter((one) => one.status === 201).length;
    // Two replicas of payment, each with a burst of five and one a second after it.
    expect(allowed).toBeGreaterThan(0);
    expect(allowed).toBeLessThan(25);
    for (const one of answers.filter(({ status }) => status !== 201)) {
      expect([one.status, one.body.code]).toEqual([429, "rate_limited"]);
      expect(Number(one.headers.get("retry-after"))).toBeGreaterThan(0);
    }
  } finally {
    await start();
  }
});

test("flushing the cache Redis again and again under load stops no payment", async () => {
  const tenant = await newTenant();
  const traffic = new Traffic(installation, tenant, 6);
  await traffic.during(async () => {
    for (let round = 0; round < 10; round += 1) {
      await flush();
      await Bun.sleep(100);
    }
    await scoredAgain(tenant);
  });
  expect(traffic.unexpected).toEqual([]);
  await truth.settled();
  await truth.addsUp();
  await truth.holds(traffic.acknowledged);
});
