import type { Scope, TenantContext } from "@payflow/contracts/access.ts";
import { defaultLimits, scopes } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import type { ScoreAnswer, ScoreRequest, ScoresAnswer } from "@payflow/contracts/internal-fraud.ts";
import { connectDatabase, type Database } from "@payflow/service-kit/store/database.ts";
import { createCursors } from "@payflow/service-kit/store/paging.ts";
import { connectRedis } from "@payflow/service-kit/store/redis.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { testPostgres } from "@payflow/testkit/postgres.ts";
import { testRedis } from "@payflow/testkit/redis.ts";
import type { Redis } from "ioredis";
import { consumers } from "../src/consumers.ts";
import { createDependencies } from "../src/dependencies.ts";
import type { DefaultPolicySettings } from "../src/policies/default-policy.ts";
import { scoreMetrics } from "../src/scoring/score-metrics.ts";
import { createInternalServer, createServer } from "../src/server.ts";

const internalSecret = "an internal secret of tests, long enough";
const logger = createLogger("test", "silent");

export const defaults: DefaultPolicySettings = {
  velocityWindowSeconds: 60,
  velocityMaxPayments: 10,
  amountThresholdMinor: 500_000,
};

/** Making a database server takes seconds on a busy machine; the runner's own limit for hooks is five. */
export const startLimitMs = 60_000;

export type Fraud = Awaited<ReturnType<typeof startFraud>>;
export type Replica = ReturnType<typeof buildReplica>;

/**
 * The whole service without its process, on stores of its own. `replica()` builds another one on the same
 * stores.
 */
export async function startFraud() {
  const [postgres, servers] = await Promise.all([testPostgres("fraud"), testRedis()]);
  const database = connectDatabase(postgres.serviceUrl, { name: "fraud-test" });
  const redis = connectRedis(servers.cache.url, "fraud-test", logger, { commandTimeout: 1_000 });
  await new Promise((resolve) => redis.once("ready", resolve));
  const replica = () => buildReplica(database, redis);
  return {
    postgres,
    servers,
    database,
    redis,
    replica,
    ...replica(),
    async close() {
      redis.disconnect();
      await database.close();
      await Promise.all([servers.close(), postgres.drop()]);
    },
  };
}

function buildReplica(database: Database, redis: Redis) {
  const deps = createDependencies({ database, redis, defaults, onFlagged: () => {} });
  const metrics = new Metrics("fraud");
  const common = { ...deps, logger, metrics };
  const publicApp = createServer({
    ...common,
    cursors: createCursors(internalSecret),
    authenticator: { authenticate: async (key) => readTestKey(key) },
    adminToken: "an admin token of tests, long enough",
  });
  const internalApp = createInternalServer({
    ...common,
    scoreMetrics: scoreMetrics(metrics),
    // The routes of dead letters are the kit's, and tested there.
    bus: {} as never,
    internalSecret,
  });
  return { deps, handlers: consumers(deps), publicApp, internalApp };
}

/** A key that says whom it stands for; checking keys is the kit's part, and tested there. */
export function testKey(
  tenantId: string,
  mode: "live" | "test" = "live",
  allowed: readonly Scope[] = scopes,
) {
  return `${tenantId}/${mode}/${allowed.join(",")}`;
}

function readTestKey(key: string): Omit<TenantContext, "requestId"> {
  const [tenantId, mode, allowed] = key.split("/");
  if (tenantId === undefined || (mode !== "live" && mode !== "test") || allowed === undefined) {
    throw new DomainError("invalid_api_key");
  }
  const held = scopes.filter((scope) => allowed.split(",").includes(scope));
  return { tenantId, mode, keyId: "key_test", scopes: held, limits: defaultLimits };
}

/** Calls a public route; the answer's status and JSON body. */
export async function call(
  replica: Pick<Replica, "publicApp">,
  key: string,
  method: string,
  path: string,
  body?: unknown,
) {
  const response = await replica.publicApp.handle(
    new Request(`http://fraud.test${path}`, {
      method,
      headers: { "x-api-key": key, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
  // Tests look into answers of every shape; what they expect of it is what they check.
  // biome-ignore lint/suspicious/noExplicitAny: see above.
  return { status: response.status, body: (await response.json()) as any };
}

/** Calls an internal route as the operator; the answer's status and JSON body. */
export async function govern(
  replica: Pick<Replica, "internalApp">,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
) {
  const response = await replica.internalApp.handle(
    new Request(`http://fraud.test${path}`, {
      method,
      headers: { "x-internal-token": internalSecret, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

/** Asks for scores over the internal route, as payment does. */
export async function score(
  replica: Pick<Replica, "internalApp">,
  payments: readonly ScoreRequest[],
  dry?: boolean,
): Promise<readonly ScoreAnswer[]> {
  const response = await replica.internalApp.handle(
    scoresRequest({ payments, ...(dry === undefined ? {} : { dry }) }),
  );
  if (response.status !== 200)
    throw new Error(`scores answered ${response.status}: ${await response.text()}`);
  const answer = (await response.json()) as ScoresAnswer; // The route's own answer.
  return answer.decisions;
}

export function scoresRequest(body: unknown, token = internalSecret): Request {
  return new Request("http://fraud.test/internal/v1/scores", {
    method: "POST",
    headers: { "x-internal-token": token, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** Rules that count as much as rules can: each reads two series of its own window. */
export function heavyRules(count: number, mode: "enforce" | "shadow") {
  const keys = ["customer", "card", "ip", "tenant"];
  return Array.from({ length: count }, (_, index) => ({
    kind: "velocity",
    name: "heavy",
    id: `heavy:${index}`,
    mode,
    key: keys[index % keys.length],
    measure: "fail_ratio",
    window_seconds: 86_400 - index,
    limit: 1,
    action: "flag",
  }));
}

/** A payment to score; whatever is not given is harmless. */
export function payment(tenantId: string, given: Partial<ScoreRequest> = {}): ScoreRequest {
  return {
    payment_id: newId("pay"),
    tenant_id: tenantId,
    mode: "live",
    amount: 1_000,
    currency: "INR",
    customer_id: null,
    card_fingerprint: null,
    ip: null,
    request_id: "req_test",
    ...given,
  };
}

type Topics = "payment.created" | "payment.authorized" | "payment.settled";
type Scoring = EventEnvelope<"payment.settled">["data"]["scoring"];

export function created(of: ScoreRequest): EventEnvelope<"payment.created"> {
  return envelope("payment.created", of, {
    payment_id: of.payment_id,
    amount: of.amount,
    currency: of.currency,
    status: "processing",
    capture_method: "automatic",
    description: null,
    customer_id: of.customer_id,
    card_fingerprint: of.card_fingerprint,
    ip: of.ip,
    created_at: new Date().toISOString(),
  });
}

export function authorized(of: ScoreRequest, scoring: Scoring): EventEnvelope<"payment.authorized"> {
  return envelope("payment.authorized", of, {
    payment_id: of.payment_id,
    amount: of.amount,
    currency: of.currency,
    status: scoring.decision === "review" ? "flagged" : "authorized",
    scoring,
    authorized_at: new Date().toISOString(),
  });
}

export function settled(
  of: ScoreRequest,
  scoring: Scoring,
  status: EventEnvelope<"payment.settled">["data"]["status"] = "succeeded",
): EventEnvelope<"payment.settled"> {
  return envelope("payment.settled", of, {
    payment_id: of.payment_id,
    amount: of.amount,
    currency: of.currency,
    status,
    amount_captured: status === "succeeded" ? of.amount : 0,
    error: status === "failed" ? { code: "card_declined", message: "The card was declined." } : null,
    customer_id: of.customer_id,
    card_fingerprint: of.card_fingerprint,
    scoring,
    settled_at: new Date().toISOString(),
  });
}

function envelope<T extends Topics>(
  type: T,
  of: ScoreRequest,
  data: EventEnvelope<T>["data"],
): EventEnvelope<T> {
  return {
    event_id: newId("evt"),
    type,
    version: 1,
    tenant_id: of.tenant_id,
    mode: of.mode,
    key: of.payment_id,
    sequence: 1,
    occurred_at: new Date().toISOString(),
    request_id: of.request_id,
    data,
  };
}

/** The events that fraud's outbox holds for a payment, oldest first. */
export async function outboxOf(fraud: Pick<Fraud, "database">, paymentId: string) {
  const rows = await fraud.database.sql<{ envelope: string }[]>`
    select envelope from outbox where key = ${paymentId} order by id`;
  // What fraud itself wrote, which nothing else can have changed.
  return rows.map((row) => JSON.parse(row.envelope) as EventEnvelope<"fraud.flagged">);
}
