import { afterAll, beforeAll, expect, test } from "bun:test";
import path from "node:path";
import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestDatabase, testPostgres } from "@payflow/testkit/postgres.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { created, payment, settled, startLimitMs } from "./fraud-service.ts";

const main = path.join(import.meta.dir, "../src/main.ts");
const secret = "an internal secret of tests, long enough";

let stores: [TestDatabase, TestRedisPair];
let bus: EventBus;
let port: number;
let fraud: Bun.Subprocess;
const flagged: EventEnvelope<"fraud.flagged">[] = [];

beforeAll(async () => {
  stores = await Promise.all([testPostgres("fraud"), testRedis()]);
  const [postgres, redis] = stores;
  port = await reservePort();
  const busConfig = {
    EVENT_BUS: "redis",
    DURABLE_REDIS_URL: redis.durable.url,
    INSTALLED_APPS: "payment,fraud",
  } as const;
  fraud = start({
    ...busConfig,
    PORT: String(port),
    INTERNAL_PORT: String(await reservePort()),
    DATABASE_URL: postgres.serviceUrl,
    REDIS_URL: redis.cache.url,
    INTERNAL_SERVICE_SECRET: secret,
    ADMIN_TOKEN: "an admin token of tests, long enough",
    LOG_LEVEL: "warn",
  });
  const logger = createLogger("test", "silent");
  bus = await openEventBus(busConfig, { service: "test", logger, metrics: new Metrics("test") });
  await bus.subscribe({
    group: "payment",
    topics: ["fraud.flagged"],
    maxBatch: 10,
    // The group reads this topic alone.
    handle: async (_, events) => void flagged.push(...(events as EventEnvelope<"fraud.flagged">[])),
  });
  const isListening = async () => (await fetch(`http://127.0.0.1:${port}/health`)).ok;
  await eventually(isListening, { timeoutMs: 30_000 });
}, startLimitMs);

afterAll(async () => {
  fraud?.kill("SIGKILL");
  await bus?.close();
  await stores?.[1].close();
  await stores?.[0].drop();
});

function start(env: Record<string, string>): Bun.Subprocess {
  return Bun.spawn([process.execPath, main], { env, stdout: "ignore", stderr: "ignore" });
}

test("a payment that went on unscored is told of over the bus, and the process ends with 0 on SIGTERM", async () => {
  const large = payment(newId("ten"), { amount: 600_000 });
  await bus.publish("payment.settled", [settled(large, { decision: "allow", source: "fail_mode" })]);
  await bus.publish("payment.created", [created(large)]);
  const event = await eventually(() => flagged.find((one) => one.key === large.payment_id) ?? false);
  expect(event).toMatchObject({
    tenant_id: large.tenant_id,
    mode: "live",
    data: { rule_triggered: "amount_threshold", decision: "review", late: true, refund: false },
  });
  fraud.kill("SIGTERM");
  expect(await fraud.exited).toBe(0);
});

test("with wrong settings the process ends with 78 and does not listen", async () => {
  const wrong = start({ PORT: "0", VELOCITY_WINDOW_SECONDS: "90000" });
  expect(await wrong.exited).toBe(78);
});
