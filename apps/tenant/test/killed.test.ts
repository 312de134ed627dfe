import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { connectDatabase } from "@payflow/service-kit/store/database.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestDatabase, testPostgres } from "@payflow/testkit/postgres.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import type { Subprocess } from "bun";
import { adminToken, configOf, internalSecret, otherApp, type RegisteredTenant } from "./harness.ts";

setDefaultTimeout(60_000);

let database: TestDatabase;
let redis: TestRedisPair;
let running: Process[] = [];

interface Process {
  readonly child: Subprocess;
  readonly url: string;
  readonly internalUrl: string;
}

beforeAll(async () => {
  [database, redis] = await Promise.all([testPostgres("tenant"), testRedis()]);
});

afterAll(async () => {
  await Promise.all(running.map((one) => end(one, "SIGKILL")));
  await Promise.all([redis.close(), database.drop()]);
});

function freePort(): number {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const port = server.port ?? 0;
  server.stop(true);
  return port;
}

/** The real process, as an installation runs it. */
async function startProcess(): Promise<Process> {
  const [port, internalPort] = [freePort(), freePort()];
  const config = configOf({ databaseUrl: database.serviceUrl, redisUrl: redis.cache.url });
  const settings = {
    ...config,
    DURABLE_REDIS_URL: redis.durable.url,
    PORT: port,
    INTERNAL_PORT: internalPort,
    LOG_LEVEL: "error",
  };
  const child = Bun.spawn([process.execPath, fileURLToPath(new URL("../src/main.ts", import.meta.url))], {
    env: Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)])),
    stdout: "inherit",
    stderr: "inherit",
  });
  const made = { child, url: `http://127.0.0.1:${port}`, internalUrl: `http://127.0.0.1:${internalPort}` };
  running.push(made);
  await eventually(async () => (await fetch(`${made.internalUrl}/readyz`)).ok, { timeoutMs: 30_000 });
  return made;
}

async function end(one: Process, signal: NodeJS.Signals): Promise<number> {
  running = running.filter((other) => other !== one);
  one.child.kill(signal);
  return one.child.exited;
}

async function registerAt(url: string): Promise<RegisteredTenant> {
  const response = await fetch(`${url}/tenants/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "Quiet Books", email: "owner@example.com" }),
  });
  expect(response.status).toBe(201);
  // The contract's own tests look at every field.
  return (await response.json()) as RegisteredTenant;
}

test("a suspension that was answered holds within a second, however soon the process is killed", async () => {
  const survivor = await startProcess();
  const app = otherApp({ redisUrl: redis.cache.url }, survivor.internalUrl);
  const { sql, close } = connectDatabase(database.adminUrl, { name: "test" });
  const codeOf = (key: string) =>
    app.authenticator.authenticate(key).then(
      () => "granted",
      (error) => String(error.reason),
    );
  for (let round = 0; round < 6; round += 1) {
    const victim = await startProcess();
    const tenant = await registerAt(victim.url);
    expect(await codeOf(tenant.api_key)).toBe("granted");
    const answer = fetch(`${victim.url}/tenants/${tenant.tenant_id}/suspend`, {
      method: "POST",
      headers: { authorization: `Bearer ${adminToken}` },
    }).then(
      (response) => response.status,
      () => "killed first",
    );
    // From before the request arrives to after its answer.
    if (round > 0) await Promise.race([Bun.sleep(round * 2), answer]);
    await end(victim, "SIGKILL");
    const [row] = await sql`select status from tenant where tenant_id = ${tenant.tenant_id}`;
    if ((await answer) === 200) expect(row?.status).toBe("suspended");
    const expected = row?.status === "suspended" ? "tenant_suspended" : "granted";
    await eventually(async () => expect(await codeOf(tenant.api_key)).toBe(expected), { timeoutMs: 1_000 });
  }
  await app.close();
  await close();
  expect(await end(survivor, "SIGTERM")).toBe(0);
});

test("the process sends what it left in the outbox, and ends in order", async () => {
  const first = await startProcess();
  const tenant = await registerAt(first.url);
  const { sql, close } = connectDatabase(database.adminUrl, { name: "test" });
  await eventually(async () => {
    const rows = await sql`select 1 from outbox where key = ${tenant.tenant_id}`;
    return rows.length === 0;
  });
  await close();
  const health = await fetch(`${first.internalUrl}/internal/v1/tenants/${tenant.tenant_id}`, {
    headers: { "x-internal-token": internalSecret },
  });
  expect(health.status).toBe(200);
  expect(await end(first, "SIGTERM")).toBe(0);
});
