import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import {
  type LedgerDatabase,
  ledgerDatabase,
  logger,
  newOwner,
  paymentSettled,
  refundSettled,
} from "./fixture/ledger.ts";
import {
  type SettlementsServer,
  settlementOf,
  startSettlementsServer,
} from "./fixture/settlements-server.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const adminToken = "admin-token-of-the-ledger-service-test";
let database: LedgerDatabase;
let redis: TestRedisPair;
let bus: EventBus;
let payment: SettlementsServer;
const started: Bun.Subprocess[] = [];

beforeAll(async () => {
  [database, redis] = await Promise.all([ledgerDatabase(), testRedis()]);
  payment = startSettlementsServer();
  bus = await openEventBus(
    { EVENT_BUS: "redis", DURABLE_REDIS_URL: redis.durable.url, INSTALLED_APPS: "payment,ledger" },
    { service: "payment", logger, metrics: new Metrics("test") },
  );
});
beforeEach(async () => {
  for (const process of started.splice(0)) {
    process.kill("SIGKILL");
    await process.exited;
  }
});
afterAll(async () => {
  for (const process of started) process.kill("SIGKILL");
  await Promise.all([bus.close(), payment.stop(), database.close()]);
  await redis.close();
});

async function startLedger(change: Record<string, string | undefined> = {}) {
  const port = await reservePort();
  const internalPort = await reservePort();
  const child = Bun.spawn([process.execPath, main], {
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      INTERNAL_PORT: String(internalPort),
      DATABASE_URL: database.serviceUrl,
      REDIS_URL: redis.cache.url,
      DURABLE_REDIS_URL: redis.durable.url,
      INSTALLED_APPS: "payment,ledger",
      INTERNAL_SERVICE_SECRET: payment.secret,
      ADMIN_TOKEN: adminToken,
      PAYMENT_SERVICE_URL: payment.url,
      LOG_LEVEL: "warn",
      ...change,
    },
    stdout: "ignore",
    stderr: "pipe",
  });
  started.push(child);
  return { child, internal: `http://127.0.0.1:${internalPort}`, url: `http://127.0.0.1:${port}` };
}

async function isReady(internal: string): Promise<boolean> {
  return (await fetch(`${internal}/readyz`)).status === 200;
}

test("events of the bus are booked, measured and reconciled by the running service, which ends on SIGTERM", async () => {
  // What settles from here on waits in payment's outbox, so that no comparison looks at it before all of it
  // is on the bus: comparisons go forward, and what one has passed is left to the nightly one.
  payment.outboxSince = new Date();
  const ledger = await startLedger({
    RECONCILIATION_INTERVAL_SECONDS: "1",
    RECONCILIATION_GRACE_SECONDS: "0",
  });
  await eventually(() => isReady(ledger.internal));
  const owner = newOwner();
  const captures = Array.from({ length: 50 }, () => paymentSettled(owner, { at: new Date() }));
  const refunds = captures
    .slice(0, 10)
    .map(({ data }) => refundSettled(owner, { paymentId: data.payment_id, amount: 100, at: new Date() }));
  const lost = settlementOf(paymentSettled(owner, { at: new Date() }));
  for (const one of [...captures.map(settlementOf), ...refunds.map(settlementOf), lost]) {
    payment.books.set(one.id, one);
  }
  await bus.publish("refund.settled", refunds);
  await bus.publish("payment.settled", captures);
  payment.outboxSince = undefined;
  await eventually(async () => (await balanceOf(owner.tenantId)) === "49000");
  const metrics = await (await fetch(`${ledger.internal}/metrics`)).text();
  expect(metrics).toMatch(/payflow_ledger_booking_lag_seconds_count\{.*type="capture".*\} 50/);

  const findings = await eventually(async () => {
    const rows = await database.sql`select kind, subject from reconciliation_finding`;
    return rows.length > 0 && [...rows];
  });
  expect(findings).toEqual([{ kind: "missing_in_ledger", subject: `capture:${lost.id}` }]);
  ledger.child.kill("SIGTERM");
  expect(await ledger.child.exited).toBe(0);
});

test("two replicas killed again and again lose nothing and book nothing twice", async () => {
  const owner = newOwner();
  const events: EventEnvelope<"payment.settled">[] = [];
  const replicas = [await startLedger(), await startLedger()];
  for (let round = 0; round < 6; round += 1) {
    const batch = Array.from({ length: 200 }, () => paymentSettled(owner, { captured: 7 }));
    events.push(...batch);
    await bus.publish("payment.settled", batch);
    const slot = round % replicas.length;
    await eventually(async () => (await bookedOf(owner.tenantId)) > round * 100);
    replicas[slot]?.child.kill("SIGKILL");
    replicas[slot] = await startLedger();
  }
  await eventually(async () => (await bookedOf(owner.tenantId)) === events.length, { timeoutMs: 25_000 });
  expect(await balanceOf(owner.tenantId)).toBe(String(events.length * 7));
  await eventually(async () => (await bus.lag("ledger")).events === 0);
  const sums = await database.sql`
    select account from account where debits <> coalesce((select sum(amount) from transfer t
      where t.tenant_id = account.tenant_id and t.currency = account.currency and t.mode = account.mode
        and t.debit_account = account.account), 0)`;
  expect([...sums]).toEqual([]);
}, 60_000);

test("PostgreSQL away: 503 with Retry-After, not ready but alive, and the internal routes keep their secret", async () => {
  const away = new URL(database.serviceUrl);
  away.port = String(await reservePort());
  const ledger = await startLedger({ DATABASE_URL: away.href });
  await eventually(async () => (await fetch(`${ledger.internal}/livez`)).status === 200);
  expect(await isReady(ledger.internal)).toBe(false);
  const runs = await fetch(`${ledger.url}/ledger/reconciliations`, {
    headers: { authorization: `Bearer ${adminToken}` },
  });
  expect(runs.status).toBe(503);
  expect(runs.headers.get("retry-after")).toBe("1");
  expect((await fetch(`${ledger.url}/health`)).status).toBe(200);
  const letters = `${ledger.internal}/internal/v1/dead-letters`;
  expect((await fetch(letters)).status).toBe(401);
  const admitted = await fetch(letters, { headers: { "x-internal-token": payment.secret } });
  expect(admitted.status).toBe(200);
});

test("a wrong configuration is told at once, every problem of it, and ends with 78", async () => {
  const { child } = await startLedger({
    DATABASE_URL: undefined,
    RECONCILIATION_INTERVAL_SECONDS: "0",
    RECONCILIATION_NIGHTLY: "at night",
  });
  expect(await child.exited).toBe(78);
  // It was started with its errors piped.
  const told = await new Response(child.stderr as ReadableStream).text();
  for (const name of ["DATABASE_URL", "RECONCILIATION_INTERVAL_SECONDS", "RECONCILIATION_NIGHTLY"]) {
    expect(told).toContain(name);
  }
});

async function balanceOf(tenantId: string): Promise<string | undefined> {
  const [row] = await database.sql<{ balance: string }[]>`
    select (credits - debits)::text as balance from account
     where tenant_id = ${tenantId} and account = 'tenant_payable'`;
  return row?.balance;
}

async function bookedOf(tenantId: string): Promise<number> {
  const [row] = await database.sql<{ count: number }[]>`
    select count(*)::int as count from transfer where tenant_id = ${tenantId}`;
  return row?.count ?? 0;
}
