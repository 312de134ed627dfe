import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { newId } from "@payflow/contracts/ids.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { faketimeLibrary } from "@payflow/testkit/faketime.ts";
import { Redis } from "ioredis";
import { documentedApps } from "../platform/open-api.ts";
import { call, raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { type Replicas, startTwoReplicas } from "../platform/replicas.ts";
import { startTimedReceiver, timesIn } from "../platform/timed-receiver.ts";
import { shortWaits, Traffic } from "../platform/traffic.ts";
import { Truth } from "../platform/truth.ts";
import { eventsKeepTime } from "./event-times.ts";

setDefaultTimeout(120_000);

const isThorough = process.env.PAYFLOW_THOROUGH !== undefined;
const library = faketimeLibrary();
const folder = mkdtempSync(path.join(tmpdir(), "payflow-clock-"));
const clockFile = path.join(folder, "clock");
/** The replica of every app whose clock jumps. */
const astray = 2;
/** A time that is right may be off by this much: what a busy machine takes between writing and reading it. */
const toleranceMs = 30_000;

let replicas: Replicas;
let truth: Truth;
let tenant: TestTenant;
let receiver: ReturnType<typeof startTimedReceiver>;

function setClock(seconds: number): void {
  writeFileSync(clockFile, `${seconds < 0 ? "" : "+"}${seconds}\n`);
}

const errant = {
  LD_PRELOAD: library ?? "",
  FAKETIME_TIMESTAMP_FILE: clockFile,
  FAKETIME_CACHE_DURATION: "1",
  // Only the wall clock of a machine can jump.
  FAKETIME_DONT_FAKE_MONOTONIC: "1",
  DONT_FAKE_MONOTONIC: "1",
  FAKETIME_DISABLE_SHM: "1",
};

beforeAll(async () => {
  if (library === null) return;
  setClock(0);
  receiver = startTimedReceiver();
  replicas = await startTwoReplicas({
    isDurable: false,
    env: (_app, replica) => ({
      ...shortWaits,
      ...(replica === astray ? errant : {}),
    }),
  });
  truth = new Truth(replicas.installation);
  tenant = await registerTenant(replicas.installation);
  await raiseLimits(replicas.installation, tenant);
  for (const hook of ["/works", "/flaky"]) {
    const made = await call(`${replicas.installation.url("notifier")}/webhook-endpoints`, "POST", {
      key: tenant.liveKey,
      body: { url: receiver.url + hook, events: ["payment.settled", "fraud.flagged", "payment.authorized"] },
    });
    expect(made.status).toBe(201);
  }
}, 90_000);

afterAll(async () => {
  await truth?.close();
  await replicas?.stop();
  await receiver?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** How far ahead of ours the clock of a replica is, in seconds, as the `Date` of its answers says. */
async function aheadSeconds(app: string, replica: number): Promise<number> {
  const answer = await fetch(`${replicas.installation.replicaUrl(app, replica)}/livez`);
  return (Date.parse(answer.headers.get("date") ?? "") - Date.now()) / 1_000;
}

async function jump(seconds: number): Promise<void> {
  setClock(seconds);
  for (const app of documentedApps) {
    await eventually(async () => {
      expect(Math.abs((await aheadSeconds(app, astray)) - seconds)).toBeLessThan(10);
      expect(Math.abs(await aheadSeconds(app, 1))).toBeLessThan(10);
    });
  }
}

/** Who holds what, and how often it changed hands: in PostgreSQL and on the bus. */
async function leases(): Promise<Record<string, string>> {
  const held: Record<string, string> = {};
  for (const app of ["payment", "fraud"] as const) {
    const rows = await truth[app]`select name, holder, fence from lease where name like 'outbox%'`;
    for (const { name, holder, fence } of rows) held[`${app} ${name}`] = `${holder} ${fence}`;
  }
  const redis = new Redis(replicas.installation.durableRedisUrl);
  try {
    for (const key of await redis.keys("bus:leases:*")) {
      for (const [partition, value] of Object.entries(await redis.hgetall(key))) {
        // Fence, end in milliseconds, holder: the end moves with every extension.
        held[`${key} ${partition}`] = value.replace(/[ :,]\d{13}(?=[ :,])/, "");
      }
    }
  } finally {
    redis.disconnect();
  }
  return held;
}

/** The leases once every one has a holder and none moves any more. */
async function settledLeases(): Promise<Record<string, string>> {
  let last = await leases();
  await eventually(
    async () => {
      const previous = last;
      last = await leases();
      expect(Object.values(last).filter((holder) => holder.startsWith(" "))).toEqual([]);
      expect(Object.keys(last).length).toBeGreaterThan(32);
      expect(last).toEqual(previous);
    },
    { timeoutMs: 30_000, everyMs: 1_000 },
  );
  return last;
}

function pay(replica: number, key: string, body: object = {}, idempotencyKey: string = randomUUID()) {
  const usual = { amount: 1_200, currency: "INR", customer_id: randomUUID() };
  const url = `${replicas.publicUrl("payment", replica)}/payments`;
  return call(url, "POST", { key, body: { ...usual, ...body }, idempotencyKey });
}

async function newKey(replica: number, lifeMs: number): Promise<{ key: string; endsAt: number }> {
  const endsAt = Date.now() + lifeMs;
  const made = await call(`${replicas.publicUrl("tenant", replica)}/api-keys`, "POST", {
    key: tenant.liveKey,
    body: { name: "for a while", mode: "live", expires_at: new Date(endsAt).toISOString() },
  });
  expect(made.status).toBe(201);
  return { key: made.body.api_key, endsAt };
}

/** Keys end when they should, by whichever replica they were made and are asked. */
async function keysKeepTime(): Promise<void> {
  for (const maker of [1, astray]) {
    const long = await newKey(maker, 20 * 60_000);
    const short = await newKey(maker, 2_500);
    for (const replica of [1, astray]) {
      expect((await pay(replica, long.key)).status).toBe(201);
      const { status } = await pay(replica, short.key);
      // On a machine that is slow enough the key may have ended meanwhile.
      if (Date.now() < short.endsAt - 500) expect(status).toBe(201);
    }
    await Bun.sleep(Math.max(0, short.endsAt - Date.now()) + 1_500);
    for (const replica of [1, astray]) expect((await pay(replica, short.key)).status).toBe(401);
  }
}

/** Nothing here is older, and what a wrong clock dated would differ by an hour. */
const begunAt = Date.now();

/** Every time that the replicas astray tell is right. */
async function timesAreRight(): Promise<void> {
  const lists = [
    ["payment", "/payments?limit=100"],
    ["ledger", "/ledger/transactions?limit=100"],
    ["ledger", "/ledger/balance"],
    ["fraud", "/fraud/flags?limit=100"],
    ["notifier", "/webhook-deliveries?limit=100"],
    ["tenant", "/api-keys?limit=100"],
  ] as const;
  for (const [app, list] of lists) {
    const answer = await call(replicas.publicUrl(app, astray) + list, "GET", { key: tenant.liveKey });
    expect([list, answer.status]).toEqual([list, 200]);
    const wrong = timesIn(answer.body).filter(
      ([, time]) => time < begunAt - toleranceMs || time > Date.now() + toleranceMs,
    );
    expect([list, wrong]).toEqual([list, []]);
  }
}

/** Webhooks are dated and signed by the right time, and what failed is tried again when its schedule says. */
async function webhooksKeepTime(from: number): Promise<void> {
  const received = receiver.received.slice(from);
  expect(received.length).toBeGreaterThan(20);
  for (const { at, timestamp, body } of received) {
    const times: [string, number][] = [["webhook-timestamp", timestamp], ...timesIn(body)];
    // Lost answers of the processor are found out later, so that a payment's first time is the oldest.
    const wrong = times.filter(([, time]) => time < at - 2 * toleranceMs || time > at + toleranceMs);
    expect([body.event, wrong]).toEqual([body.event, []]);
  }
  const late = await truth.notifier`
    select delivery_id, extract(epoch from due - first_attempt_at)::float8 as seconds from delivery_queue
     where attempts = 1 and lease is null
       and not extract(epoch from due - first_attempt_at) between 30 and 33.001`;
  expect([...late]).toEqual([]);
}

/** Has the fraud replica astray judge a payment, whichever one the kernel would have chosen. */
async function flagIsDated(): Promise<void> {
  const payment = {
    payment_id: newId("pay"),
    tenant_id: tenant.tenantId,
    mode: "live",
    amount: 900_000,
    currency: "INR",
    customer_id: null,
    card_fingerprint: null,
    ip: null,
    request_id: null,
  };
  const url = `${replicas.installation.replicaUrl("fraud", astray)}/internal/v1/scores`;
  const headers = { "x-internal-token": replicas.installation.secrets.internalServiceSecret };
  const scored = await call(url, "POST", { headers, body: { payments: [payment] } });
  expect(scored.body.decisions).toMatchObject([{ decision: "review" }]);
  // What it says of times is looked at with those of all webhooks.
  await eventually(() => receiver.received.some(({ body }) => body.payment_id === payment.payment_id));
}

function trafficOn(replica: number): Traffic {
  const url = (app: string) => replicas.publicUrl(app, replica);
  return new Traffic({ ...replicas.installation, url }, tenant, 4);
}

async function breaksNothing(seconds: number): Promise<void> {
  const { installation } = replicas.installation;
  const waiting = await pay(astray, tenant.liveKey, { capture_method: "manual" });
  expect(waiting.body.status).toBe("authorized");
  const idempotencyKey = randomUUID();
  const first = await pay(astray, tenant.liveKey, { customer_id: "repeated" }, idempotencyKey);
  const before = await settledLeases();

  await jump(seconds);
  await keysKeepTime();
  for (const replica of [1, astray]) {
    await eventsKeepTime(replicas.publicUrl("ingest", replica), tenant.liveKey);
  }
  await flagIsDated();
  for (const replica of [1, astray]) {
    const again = await pay(replica, tenant.liveKey, { customer_id: "repeated" }, idempotencyKey);
    expect([again.status, again.text]).toEqual([201, first.text]);
  }
  await Bun.sleep(isThorough ? 40_000 : 2_000);
  expect(await leases()).toEqual(before);
  // What begins with a wrong clock must come to terms with it too.
  await Promise.all(documentedApps.map((app) => installation.stopApp(app, astray)));
  await Promise.all(documentedApps.map((app) => installation.startApp(app, astray)));

  const capture = `${replicas.publicUrl("payment", astray)}/payments/${waiting.body.payment_id}/capture`;
  const captured = await call(capture, "POST", { key: tenant.liveKey, body: {} });
  expect([captured.status, captured.body.status]).toEqual([200, "succeeded"]);
}

describe.skipIf(library === null)("an app's replica whose clock jumps (needs libfaketime)", () => {
  test.each([
    ["an hour ahead", 3_600],
    ["an hour back", -3_600],
  ])("%s breaks no lease, key, schedule or payment", async (_name, seconds) => {
    await jump(0);
    const from = receiver.received.length;
    const traffics = [1, astray].map((replica) => trafficOn(replica));
    const deeds = breaksNothing(seconds);
    await Promise.all(traffics.map((traffic) => traffic.during(() => deeds)));
    expect(traffics.flatMap(({ unexpected }) => unexpected)).toEqual([]);
    await truth.settled();
    await truth.addsUp();
    await truth.holds(traffics.flatMap(({ acknowledged }) => acknowledged));
    await timesAreRight();
    await webhooksKeepTime(from);
  });

  test("tries a failed webhook again when it is due, neither sooner nor later", async () => {
    const attempts = new Map<string, number[]>();
    for (const { path: hook, id, at } of receiver.received) {
      if (hook === "/flaky") attempts.set(id, [...(attempts.get(id) ?? []), at]);
    }
    const gaps = [...attempts.values()].flatMap(([first = 0, second]) =>
      second === undefined ? [] : [(second - first) / 1_000],
    );
    expect(gaps.filter((gap) => gap < 29.9 || gap > 45)).toEqual([]);
    if (isThorough) expect(gaps.length).toBeGreaterThan(20);
    const [waiting] = await truth.notifier`
      select count(*) filter (where due < now() - interval '15 seconds')::int as late from delivery_queue`;
    expect(waiting?.late).toBe(0);
  });
});
