import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { freeze } from "@payflow/one-machine/processes/freeze.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { allReady, appPids, healthOf } from "../platform/health.ts";
import { type DocumentedRoute, documentedApps, documentedRoutes, sample } from "../platform/open-api.ts";
import {
  type Answer,
  adminCall,
  call,
  pay,
  raiseLimits,
  registerTenant,
  type TestTenant,
} from "../platform/platform.ts";
import { shortWaits, Traffic } from "../platform/traffic.ts";
import { Truth } from "../platform/truth.ts";

setDefaultTimeout(120_000);

const isThorough = process.env.PAYFLOW_THOROUGH !== undefined;
/** No answer may take longer, whatever is away: far below any caller's patience, far above a busy machine. */
const promptMs = 15_000;

let installation: RunningInstallation;
let truth: Truth;
let tenant: TestTenant;
/** Asks every route; what it asks for may well be done once PostgreSQL is back, its suspension too. */
let prober: TestTenant;
let routes: DocumentedRoute[];

beforeAll(async () => {
  installation = await startInstallation({
    isDurable: false,
    env: shortWaits,
  });
  truth = new Truth(installation);
  tenant = await registerTenant(installation);
  await raiseLimits(installation, tenant);
  prober = await registerTenant(installation);
  // Of ingest's routes those for tenants are refused, since nobody vouches for their keys.
  routes = (await documentedRoutes(installation)).filter(({ app, isAdmin }) => app !== "ingest" || !isAdmin);
}, 60_000);

afterAll(async () => {
  await truth?.close();
  await installation?.stop();
});

/** What the ids in a path start with; elsewhere they are tenants. */
const idPrefixes: Readonly<Record<string, string>> = {
  "/payments": "pay",
  "/refunds": "ref",
  "/api-keys": "key",
  "/webhook-endpoints": "whe",
  "/webhook-deliveries": "dlv",
  "/fraud/decisions": "pay",
  "/ledger/transactions": "jrn",
  "/ledger/reconciliations": "rec",
};

/** A well-formed request that reaches the route's own logic; the id it may take is nobody's. */
function ask(route: DocumentedRoute): Promise<Answer> {
  const prefix = Object.entries(idPrefixes).find(([path]) => route.path.startsWith(path))?.[1];
  const id = prefix === undefined ? prober.tenantId : `${prefix}_01h455vb4pex5vsknk084sn02q`;
  const path = route.path.replace(/\{\w+\}/, id);
  const body = route.body === undefined ? undefined : sample(route.body);
  if (route.isAdmin) return adminCall(installation, route.app, route.method, path, body);
  const url = installation.url(route.app) + path;
  return call(url, route.method, { key: prober.liveKey, ...(body === undefined ? {} : { body }) });
}

async function promptly(route: DocumentedRoute): Promise<Answer> {
  const startedAt = performance.now();
  const answer = await ask(route);
  const tookMs = performance.now() - startedAt;
  expect([route.app, route.path, tookMs < promptMs]).toEqual([route.app, route.path, true]);
  return answer;
}

async function refusesCleanly(): Promise<void> {
  const answers = await Promise.all(
    routes.map(async (route) => {
      const { status, body, headers } = await promptly(route);
      const retryAfter = Number(headers.get("retry-after"));
      const isDocument = headers.get("content-type") === "application/problem+json";
      return [`${route.method} ${route.path}`, status, body.code, retryAfter >= 1, isDocument];
    }),
  );
  const clean = answers.map(([route]) => [route, 503, "unavailable", true, true]);
  expect(answers).toEqual(clean);
  for (const app of documentedApps) {
    const seen = await Promise.all([
      healthOf(installation, app, "/readyz"),
      healthOf(installation, app, "/livez"),
      healthOf(installation, app, "/health"),
    ]);
    // Ingest keeps nothing in PostgreSQL: with keys that somebody vouches for it goes on.
    expect([app, ...seen]).toEqual([app, app === "ingest" ? 200 : 503, 200, 200]);
  }
}

/** Payments go on through the outage, and afterwards every one that was acknowledged is there, once. */
async function outage(awayMs: number, leave: () => Promise<void>, come: () => Promise<void>): Promise<void> {
  const before = appPids(installation);
  const traffic = new Traffic(installation, tenant, 8);
  await traffic.during(async () => {
    await eventually(() => traffic.acknowledged.length > 10);
    await leave();
    await refusesCleanly();
    if (awayMs > 0) {
      await Bun.sleep(awayMs);
      await refusesCleanly();
    }
    await come();
    await allReady(installation);
    const acknowledged = traffic.acknowledged.length;
    await eventually(() => traffic.acknowledged.length > acknowledged + 10, { timeoutMs: 30_000 });
  });
  expect(traffic.unexpected).toEqual([]);
  expect(appPids(installation)).toEqual(before);
  await truth.settled();
  await truth.addsUp();
  await truth.holds(traffic.acknowledged);
  expect((await pay(installation, tenant.liveKey)).status).toBe(201);
}

test("with PostgreSQL killed every route answers 503, and all is as before once it is back", async () => {
  await outage(
    isThorough ? 10_000 : 1_500,
    () => installation.installation.stopStore("postgres", "SIGKILL"),
    () => installation.installation.startStore("postgres"),
  );
});

test("with PostgreSQL shut down every route answers 503, and all is as before once it is back", async () => {
  await outage(
    isThorough ? 10_000 : 0,
    () => installation.installation.stopStore("postgres"),
    () => installation.installation.startStore("postgres"),
  );
});

test("with PostgreSQL silent every route answers 503 in time, and all is as before once it speaks", async () => {
  const server = installation.installation.processes().find(({ name }) => name === "postgres");
  if (server?.pid == null) throw new Error("PostgreSQL does not run.");
  let thaw = () => {};
  try {
    await outage(
      isThorough ? 30_000 : 0,
      async () => {
        thaw = freeze(server.pid ?? 0);
      },
      async () => thaw(),
    );
  } finally {
    thaw();
  }
});
