import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { apps } from "@payflow/contracts/events.ts";
import { testEvents, testKeys } from "@payflow/testkit/bus/events.ts";
import { record } from "@payflow/testkit/bus/space.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import type { EventBus } from "../../src/bus/bus.ts";
import { deadLetterRoutes } from "../../src/bus/dead-letters.ts";
import { openRedisStreams } from "../../src/bus/redis-streams.ts";
import { createInternalHttp } from "../../src/http/server.ts";
import { createLogger } from "../../src/telemetry/logging.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

setDefaultTimeout(60_000);

const internalSecret = "s".repeat(32);
const logger = createLogger("test", "fatal");
const metrics = new Metrics("test");
let servers: TestRedisPair;
let bus: EventBus;
let handle: (request: Request) => Promise<Response>;

beforeAll(async () => {
  servers = await testRedis();
  bus = await openRedisStreams({
    url: servers.durable.url,
    service: "test",
    installedApps: apps,
    logger,
    metrics,
  });
  const http = createInternalHttp({ service: "test", title: "Test", logger, metrics, internalSecret });
  const app = http.app().use(deadLetterRoutes(http, { bus, group: "ledger" }));
  handle = async (request) => app.handle(request);
});
afterAll(async () => {
  await bus.close();
  await servers.close();
});

async function call(method: string, path: string, body?: unknown, secret = internalSecret) {
  const response = await handle(
    new Request(`http://localhost/internal/v1${path}`, {
      method,
      headers: { "x-internal-token": secret, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
  // The tests look at the few fields they name.
  return { status: response.status, body: (await response.json()) as Record<string, never> };
}

test("dead letters are listed with their event and put back, for the internal token alone", async () => {
  let isMended = false;
  const { events } = await record(bus, "ledger", ["payment.settled"], async () => {
    if (!isMended) throw new Error("cannot be booked");
  });
  const sent = testEvents("payment.settled", testKeys(3), 1);
  await bus.publish("payment.settled", sent);
  const { body } = await eventually(async () => {
    const list = await call("GET", "/dead-letters?topic=payment.settled&limit=2");
    return list.body.has_more === true && list;
  });
  const [letter] = body.data as unknown as { id: string; event: unknown; reason: string; tries: number }[];
  expect(letter).toMatchObject({ reason: "Error: cannot be booked", tries: 5, group: "ledger" });
  expect(sent).toContainEqual(letter?.event as (typeof sent)[number]);
  const next = await call(
    "GET",
    `/dead-letters?limit=2&cursor=${encodeURIComponent(body.next_cursor ?? "")}`,
  );
  expect(next.body).toMatchObject({ has_more: false, next_cursor: null });

  expect((await call("GET", "/dead-letters", undefined, "wrong")).status).toBe(401);
  expect((await call("POST", "/dead-letters/redrive", {}, "wrong")).status).toBe(401);
  expect((await call("GET", "/dead-letters?cursor=elsewhere")).body).toMatchObject({
    code: "invalid_cursor",
  });
  expect((await call("GET", "/dead-letters?topic=none")).status).toBe(400);
  expect((await call("POST", "/dead-letters/redrive", { id: "1" })).status).toBe(400);

  isMended = true;
  expect((await call("POST", "/dead-letters/redrive", { ids: [letter?.id] })).body).toEqual({
    redriven: 1,
  } as never);
  await eventually(() => events.length === 1);
  expect((await call("POST", "/dead-letters/redrive", {})).body).toEqual({ redriven: 2 } as never);
  await eventually(() => events.length === 3);
  expect((await call("GET", "/dead-letters")).body).toMatchObject({ data: [], has_more: false });
});

test("with the broker away the routes answer that it is unavailable", async () => {
  await servers.durable.stop("SIGKILL");
  const { status, body } = await call("GET", "/dead-letters");
  expect(status).toBe(503);
  expect(body).toMatchObject({ code: "unavailable" });
  await servers.durable.start();
});
