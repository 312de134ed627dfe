import { afterAll, beforeAll, expect, test } from "bun:test";
import { defaultLimits, type Scope, scopes, type TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { Value } from "@sinclair/typebox/value";
import { ProcessorsResponse } from "../../src/insights/insights.contract.ts";
import { processorsReader } from "../../src/insights/read-processors.ts";
import { createServer } from "../../src/server.ts";
import { exhaust, InsightSpace, newTenant } from "./insight-space.ts";

let servers: TestRedisPair;
let space: InsightSpace;
let server: ReturnType<typeof createServer>;
const keys = new Map<string, Omit<TenantContext, "requestId" | "traceparent">>();

beforeAll(async () => {
  servers = await testRedis();
  space = await InsightSpace.open(servers.durable.url);
  await space.start();
  // Only what the route needs is built; what other routes of the server need is never called.
  const deps = {
    readProcessors: processorsReader(space.stores),
    authenticator: {
      authenticate: async (key: string) => {
        const known = keys.get(key);
        if (known === undefined) throw new DomainError("invalid_api_key");
        return known;
      },
    },
    logger: space.logger,
    metrics: new Metrics("test"),
  };
  server = createServer(deps as unknown as Parameters<typeof createServer>[0]);
});
afterAll(async () => {
  await space.close();
  await servers.close();
});

function keyOf(tenantId: string, mode: "live" | "test", allowed: readonly Scope[] = scopes): string {
  const key = `key-${keys.size}`;
  keys.set(key, { tenantId, mode, keyId: key, scopes: allowed, limits: defaultLimits });
  return key;
}

async function ask(key: string, query = "") {
  const headers = { "x-api-key": key };
  const answer = await server.handle(
    new Request(`http://localhost/v1/insights/processors${query}`, { headers }),
  );
  // A problem document has some of these fields, an answer the others; the tests look at each.
  const body = (await answer.json()) as ProcessorsResponse & { code: string; errors: unknown[] };
  return { status: answer.status, body, headers: answer.headers };
}

test("a tenant sees its processors in the key's mode, and nobody else's", async () => {
  const [one, other] = [newTenant(), newTenant()];
  const arrival = (tenantId: string, mode: "live" | "test", processor: string) => ({
    tenantId,
    mode,
    merchant: "m",
    event: exhaust({ processor, event_type: "payment_failed", failure_category: "processor_timeout" }),
  });
  await space.append([
    arrival(one, "live", "stripe"),
    arrival(one, "test", "adyen"),
    arrival(other, "live", "worldpay"),
  ]);
  for (const [tenantId, mode, processor] of [
    [one, "live", "stripe"],
    [one, "test", "adyen"],
    [other, "live", "worldpay"],
  ] as const) {
    const key = keyOf(tenantId, mode);
    const { status, body } = await eventually(async () => {
      const answer = await ask(key, "?window=5m");
      return answer.body.data?.length > 0 && answer;
    });
    expect(status).toBe(200);
    expect(Value.Check(ProcessorsResponse, body)).toBe(true);
    expect(body.window).toBe("5m");
    expect(body.data.map((one) => one.processor)).toEqual([processor]);
    expect(body.data[0]?.current).toMatchObject({
      events: 1,
      failure_rate: 1,
      timeouts: 1,
      timeout_share: 1,
    });
  }
});

test("without a window the answer is of the last hour, and a tenant without events has no processors", async () => {
  const { status, body } = await ask(keyOf(newTenant(), "live"));
  expect([status, body.window, body.data]).toEqual([200, "1h", []]);
  expect(Date.parse(body.to) - Date.parse(body.from)).toBeLessThanOrEqual(3_600_000);
  expect(Date.parse(body.from) - Date.parse(body.previous_from)).toBe(3_600_000);
});

test("a window that there is not, or another parameter, is named as wrong", async () => {
  const key = keyOf(newTenant(), "live");
  for (const query of ["?window=7m", "?window=", "?windows=5m", "?window=5m&limit=3"]) {
    const { status, body } = await ask(key, query);
    expect([query, status, body.code]).toEqual([query, 400, "invalid_request"]);
    expect(body.errors.length).toBeGreaterThan(0);
  }
});

test("a key without events:read is refused, and so is no key", async () => {
  const few = keyOf(
    newTenant(),
    "live",
    scopes.filter((scope) => scope !== "events:read"),
  );
  expect((await ask(few)).body.code).toBe("insufficient_scope");
  expect((await ask("unknown")).status).toBe(401);
});

test("with Redis away the answer is 503 with when to come again, and all is well once it is back", async () => {
  const key = keyOf(newTenant(), "live");
  await servers.durable.stop();
  const { status, body, headers } = await ask(key);
  expect([status, body.code, headers.get("retry-after")]).toEqual([503, "unavailable", "1"]);
  await servers.durable.start();
  await eventually(async () => (await ask(key)).status === 200);
});
