import { randomUUID } from "node:crypto";
import { pause } from "@payflow/service-kit/concurrency/retry.ts";
import { loadConfig, setting } from "@payflow/service-kit/process/config.ts";
import { Type } from "@sinclair/typebox";

const settings = Type.Object({
  TENANT_URL: setting.url("The tenant app's public base URL."),
  PAYMENT_URL: setting.url("The payment app's public base URL."),
  LEDGER_URL: setting.url("The ledger app's public base URL."),
  ADMIN_TOKEN: setting.secret("The platform owner's bearer token.", 32),
});

const amount = 120_000;
const currency = "INR";
const bookedWithinMs = 60_000;
const callTimeoutMs = 15_000;

interface Account {
  readonly account: string;
  readonly debits: number;
  readonly credits: number;
  readonly balance: number;
}

/**
 * What `helm test` does: a tenant of its own pays in test mode, and the ledger owes it exactly that and sums
 * to zero. The tenant is suspended in the end. Throws where an answer is not as it should be.
 */
export async function makeFirstPayment(env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const { TENANT_URL, PAYMENT_URL, LEDGER_URL, ADMIN_TOKEN } = loadConfig(settings, env);
  const owner = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const registration = { name: `Installation test ${randomUUID()}`, email: "test@payflow.example" };
  const tenant = await call(`${TENANT_URL}/tenants/register`, 201, owner, registration);
  const key = { "x-api-key": String(tenant.test_api_key) };
  try {
    const headers = { ...key, "idempotency-key": randomUUID() };
    const payment = await call(`${PAYMENT_URL}/payments`, 201, headers, { amount, currency });
    check(payment.status === "succeeded", `the payment is ${payment.status}`);
    say(`${payment.payment_id} succeeded`);
    const accounts = await bookedAccounts(LEDGER_URL, key);
    const sum = accounts.reduce((total, { debits, credits }) => total + debits - credits, 0);
    check(sum === 0, `the ledger's accounts sum to ${sum}`);
    const owed = accounts.find(({ account }) => account === "tenant_payable")?.balance;
    check(owed === amount, `the ledger owes the tenant ${owed} instead of ${amount}`);
    say(`the ledger owes the tenant ${amount} and sums to zero`);
  } finally {
    await call(`${TENANT_URL}/tenants/${tenant.tenant_id}/suspend`, 200, owner, {});
  }
}

/** The ledger books a moment after the payment's answer. */
async function bookedAccounts(ledger: string, key: Readonly<Record<string, string>>): Promise<Account[]> {
  const end = Date.now() + bookedWithinMs;
  for (;;) {
    const { data } = await call(`${ledger}/ledger/accounts`, 200, key);
    // As the ledger's API documents it.
    const accounts = data as Account[];
    if (accounts.length > 0) return accounts;
    check(Date.now() < end, `nothing was booked within ${bookedWithinMs / 1_000} s`);
    await pause(250);
  }
}

async function call(
  url: string,
  expected: number,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const answer = await fetch(url, {
    method: body === undefined ? "GET" : "POST",
    headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(callTimeoutMs),
  });
  const text = await answer.text();
  check(answer.status === expected, `${url} answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}

function check(isTrue: boolean, problem: string): asserts isTrue {
  if (!isTrue) throw new Error(problem);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
