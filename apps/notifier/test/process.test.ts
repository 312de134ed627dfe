import { afterAll, beforeAll, expect, test } from "bun:test";
import path from "node:path";
import { consumerGroups } from "@payflow/contracts/events.ts";
import { defaultEndpointPath } from "@payflow/contracts/internal-notifier.ts";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestDatabase, testPostgres } from "@payflow/testkit/postgres.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { Webhook } from "standardwebhooks";
import { logger, newOwner, paymentSettled } from "./fixture.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

const secret = "an internal secret for the tests of one notifier process";
let database: TestDatabase;
let redis: TestRedisPair;
let bus: EventBus;
let receiver: Receiver;
let publicPort: number;
let internalPort: number;

beforeAll(async () => {
  [database, redis] = await Promise.all([testPostgres("notifier"), testRedis()]);
  const config = {
    EVENT_BUS: "redis" as const,
    DURABLE_REDIS_URL: redis.durable.url,
    INSTALLED_APPS: consumerGroups.notifier.app,
  };
  bus = await openEventBus(config, { service: "test", logger, metrics: new Metrics("test") });
  receiver = startReceiver();
  publicPort = await reservePort();
  internalPort = await reservePort();
}, 60_000);

afterAll(async () => {
  receiver.close();
  await bus.close();
  await redis.close();
  await database.drop();
});

function startNotifier(changes: Readonly<Record<string, string>> = {}) {
  return Bun.spawn([process.execPath, path.join(import.meta.dir, "../src/main.ts")], {
    env: {
      PATH: process.env.PATH ?? "",
      PORT: String(publicPort),
      INTERNAL_PORT: String(internalPort),
      DATABASE_URL: database.serviceUrl,
      REDIS_URL: redis.cache.url,
      DURABLE_REDIS_URL: redis.durable.url,
      INTERNAL_SERVICE_SECRET: secret,
      ADMIN_TOKEN: "an admin token for the tests of one notifier process",
      TENANT_SERVICE_URL: "http://127.0.0.1:1",
      WEBHOOK_ENCRYPTION_KEY: "an encryption key for the tests of one notifier process",
      WEBHOOK_ALLOW_PRIVATE: "true",
      ...changes,
    },
    stdout: "ignore",
    stderr: "pipe",
  });
}

const internal = (path: string, init: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${internalPort}${path}`, {
    ...init,
    headers: { "x-internal-token": secret, "content-type": "application/json", ...init.headers },
  });

// What a test expects of an answer is what it reads of it.
const readJson = async (answer: Response) => JSON.parse(await answer.text());

const isReady = async () => {
  try {
    return (await internal("/readyz")).status === 200;
  } catch {
    return false;
  }
};

test("a process takes events from the bus, delivers them signed, and ends in order on SIGTERM", async () => {
  const running = startNotifier();
  await eventually(isReady, { timeoutMs: 20_000 });
  const owner = newOwner();
  const put = await internal(defaultEndpointPath(owner.tenantId, owner.mode), {
    method: "PUT",
    body: JSON.stringify({ url: `${receiver.url}/default` }),
  });
  expect(put.status).toBe(200);
  const { signing_secret: signingSecret } = await readJson(put);
  const events = Array.from({ length: 50 }, () => paymentSettled(owner));
  await bus.publish("payment.settled", events);
  await eventually(() => receiver.received.length === 50, { timeoutMs: 20_000 });
  for (const { body, headers } of receiver.received) {
    new Webhook(signingSecret).verify(body, Object.fromEntries(headers));
  }
  expect(new Set(receiver.received.map((one) => one.headers.get("webhook-id")))).toEqual(
    new Set(events.map((event) => event.event_id)),
  );
  const metrics = await (await internal("/metrics")).text();
  expect(metrics).toMatch(/payflow_webhook_attempts_total\{.*outcome="delivered".*\} 50/);
  running.kill("SIGTERM");
  expect(await running.exited).toBe(0);
}, 60_000);

test("the internal route refuses strangers and wrong requests", async () => {
  const running = startNotifier();
  await eventually(isReady, { timeoutMs: 20_000 });
  const owner = newOwner();
  const put = async (path: string, body: string, headers = {}) => {
    const answer = await internal(path, { method: "PUT", body, headers });
    return [answer.status, (await readJson(answer)).code];
  };
  const path = defaultEndpointPath(owner.tenantId, owner.mode);
  const body = JSON.stringify({ url: receiver.url });
  expect(await put(path, body, { "x-internal-token": "wrong" })).toEqual([401, "invalid_internal_token"]);
  expect(await put(path, "{}")).toEqual([400, "invalid_request"]);
  expect(await put(path, '{"url":"ftp://example.com"}')).toEqual([400, "invalid_request"]);
  expect(await put(path, "{")).toEqual([400, "invalid_json"]);
  expect(await put(path, body, { "content-type": "text/plain" })).toEqual([415, "unsupported_media_type"]);
  expect(await put(path.replace("/live", "/other"), body)).toEqual([404, "not_found"]);
  expect(await put(path.replace(owner.tenantId, "ten_1"), body)).toEqual([404, "not_found"]);
  const document = await fetch(`http://127.0.0.1:${publicPort}/openapi.json`);
  const { paths } = await readJson(document);
  expect(Object.keys(paths).sort()).toEqual([
    "/webhook-deliveries",
    "/webhook-deliveries/{id}",
    "/webhook-deliveries/{id}/resend",
    "/webhook-endpoints",
    "/webhook-endpoints/{id}",
    "/webhook-endpoints/{id}/rotate-secret",
    "/webhook-endpoints/{id}/test",
  ]);
  running.kill("SIGTERM");
  expect(await running.exited).toBe(0);
}, 60_000);

test("without PostgreSQL a process is alive, not ready, and answers 503", async () => {
  const gone = new URL(database.serviceUrl);
  gone.port = String(await reservePort());
  const running = startNotifier({ DATABASE_URL: gone.href });
  await eventually(async () => (await internal("/livez")).status === 200, { timeoutMs: 20_000 });
  expect((await internal("/readyz")).status).toBe(503);
  const owner = newOwner();
  const answer = await internal(defaultEndpointPath(owner.tenantId, owner.mode), {
    method: "PUT",
    body: JSON.stringify({ url: receiver.url }),
  });
  expect([answer.status, (await readJson(answer)).code]).toEqual([503, "unavailable"]);
  expect(answer.headers.get("retry-after")).not.toBeNull();
  running.kill("SIGTERM");
  expect(await running.exited).toBe(0);
}, 60_000);

test("a wrong configuration is named in whole and ends the process with 78", async () => {
  const running = startNotifier({ WEBHOOK_ENCRYPTION_KEY: "short", WEBHOOK_DEADLINE_MS: "soon", PORT: "x" });
  expect(await running.exited).toBe(78);
  const text = await new Response(running.stderr).text();
  for (const name of ["WEBHOOK_ENCRYPTION_KEY", "WEBHOOK_DEADLINE_MS", "PORT"]) expect(text).toContain(name);
}, 60_000);
