import { randomUUID } from "node:crypto";
import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed JSON; an empty object for an empty body. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape and assert what they read.
  readonly body: any;
}

export interface CallOptions {
  readonly key?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly idempotencyKey?: string;
}

/** One request to a public route; POSTs get an idempotency key of their own unless one is given. */
export async function call(url: string, method: string, options: CallOptions = {}): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(options.key === undefined ? {} : { "x-api-key": options.key }),
      ...(options.body === undefined ? {} : { "content-type": "application/json" }),
      ...(method === "POST" ? { "idempotency-key": options.idempotencyKey ?? randomUUID() } : {}),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: text === "" ? {} : JSON.parse(text),
  };
}

/** A tenant of a test's own. */
export interface TestTenant {
  readonly tenantId: string;
  readonly liveKey: string;
  readonly testKey: string;
}

/** An installation by its doors and its owner's token, wherever it runs. */
type Owned = Pick<RunningInstallation, "url" | "adminToken">;

/** As the admin: what anybody may register in a minute is less than what all tests together do. */
export async function registerTenant(installation: Owned): Promise<TestTenant> {
  const body = { name: "Test tenant", email: "owner@example.com" };
  const made = await adminCall(installation, "tenant", "POST", "/tenants/register", body);
  if (made.status !== 201) throw new Error(`registration answered ${made.status}: ${made.text}`);
  return { tenantId: made.body.tenant_id, liveKey: made.body.api_key, testKey: made.body.test_api_key };
}

/** An admin's request. */
export function adminCall(
  installation: Owned,
  app: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const headers = { authorization: `Bearer ${installation.adminToken}` };
  return call(installation.url(app) + path, method, { headers, ...(body === undefined ? {} : { body }) });
}

/**
 * A payment that succeeds unless the body says otherwise; a customer of its own keeps velocity rules quiet.
 */
export function pay(
  installation: RunningInstallation,
  key: string,
  body: Record<string, unknown> = {},
  idempotencyKey: string = randomUUID(),
): Promise<Answer> {
  const usual = { amount: 1_200, currency: "INR", customer_id: randomUUID() };
  return call(`${installation.url("payment")}/payments`, "POST", {
    key,
    body: { ...usual, ...body },
    idempotencyKey,
  });
}

/** Sets a tenant's limits; those that are left out are far beyond what tests send. */
export async function setLimits(
  installation: Owned,
  tenant: TestTenant,
  changes: Readonly<Record<string, number | null>>,
): Promise<void> {
  const limits = {
    requests_per_second: 100_000,
    burst: 200_000,
    events_per_second: 100_000,
    monthly_events: null,
    max_payment_amount: null,
    ...changes,
  };
  const answer = await adminCall(installation, "tenant", "PUT", `/tenants/${tenant.tenantId}/limits`, limits);
  if (answer.status !== 200) throw new Error(`setting limits answered ${answer.status}: ${answer.text}`);
}

/** Raises a tenant's rate limits, for tests that send many requests. */
export function raiseLimits(installation: Owned, tenant: TestTenant): Promise<void> {
  return setLimits(installation, tenant, {});
}
