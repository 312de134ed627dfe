import { afterAll, beforeAll, expect, test } from "bun:test";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { exportedRows } from "../../demo/events/exported-rows.ts";
import { call, registerTenant, setLimits, type TestTenant } from "../platform/platform.ts";
import { type IngestInstallation, startIngest, warehouse } from "./ingest-installation.ts";

const seconds = process.env.PAYFLOW_THOROUGH === undefined ? 4 : 30;
/** Events a second that the loud tenant may send, and how many it sends. */
const quota = 500;
const sentPerSecond = 10 * quota;
const linesOfARequest = 100;

let ingest: IngestInstallation;
let loud: TestTenant;
let quiet: TestTenant;

beforeAll(async () => {
  ingest = await startIngest({ roles: "all", replicas: 1 });
  [loud, quiet] = [await registerTenant(ingest), await registerTenant(ingest)];
  await setLimits(ingest, loud, { events_per_second: quota });
  await ingest.putExporter("lake", warehouse("lake"));
}, 90_000);

afterAll(() => ingest?.stop(), 60_000);

const happenedAt = new Date().toISOString();

const eventOf = (number: number) => ({
  event_type: "payment_failed",
  event_timestamp: happenedAt,
  event_id: `event-${number}`,
  merchant_id_hash: `m${number % 5}`,
  payment_intent_id_hash: `intent-${number}`,
  processor: "stripe",
});

/** Sends one event after the other for a while, and returns how long each took in ms. None may be refused. */
async function quietTraffic(first: number): Promise<number[]> {
  const took: number[] = [];
  for (const until = performance.now() + seconds * 1_000; performance.now() < until; ) {
    const startedAt = performance.now();
    const answer = await call(`${ingest.url("ingest")}/v1/events/payment_exhaust`, "POST", {
      key: quiet.liveKey,
      body: eventOf(first + took.length),
    });
    took.push(performance.now() - startedAt);
    expect([answer.status, answer.body.duplicate]).toEqual([202, false]);
    await Bun.sleep(10);
  }
  return took;
}

/** Sends ten times the quota, as evenly as it can; returns the events that were stored and the refusals. */
async function loudTraffic(signal: AbortSignal): Promise<{ stored: number; refused: number }> {
  let stored = 0;
  let refused = 0;
  const sends: Promise<void>[] = [];
  const send = async (first: number) => {
    const lines = Array.from({ length: linesOfARequest }, (_, index) =>
      JSON.stringify(eventOf(first + index)),
    );
    const response = await fetch(`${ingest.url("ingest")}/v1/events`, {
      method: "POST",
      headers: { "x-api-key": loud.liveKey, "content-type": "application/x-ndjson" },
      body: lines.join("\n"),
    });
    const text = await response.text();
    if (response.status === 202) stored += JSON.parse(text).accepted;
    else {
      expect([response.status, JSON.parse(text).code]).toEqual([429, "rate_limited"]);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      refused += 1;
    }
  };
  const startedAt = performance.now();
  for (let first = 0; !signal.aborted; ) {
    const due = ((performance.now() - startedAt) / 1_000) * sentPerSecond;
    for (; first < due; first += linesOfARequest) sends.push(send(first));
    await Bun.sleep(5);
  }
  await Promise.all(sends);
  return { stored, refused };
}

const median = (values: readonly number[]) =>
  values.toSorted((one, other) => one - other)[values.length >> 1];

test("a tenant that sends ten times its quota costs another one neither an event nor noticeable time", async () => {
  const alone = await quietTraffic(0);
  const over = new AbortController();
  const loudness = loudTraffic(over.signal);
  // What a bucket holds goes through at first; from the first refusal on the tenant is above its quota.
  const beside = await quietTraffic(alone.length).finally(() => over.abort());
  const { stored, refused } = await loudness;
  expect(refused).toBeGreaterThan(0);
  // Both have the same ids and merchants, and each has its own events: all of them, and in its own count.
  const events = alone.length + beside.length;
  const rows = await eventually(
    () => {
      const found = exportedRows(path.join(ingest.exports, "lake"));
      expect(found.length).toBe(events + stored);
      return found;
    },
    { timeoutMs: 30_000, everyMs: 250 },
  );
  const own = rows.filter((row) => row.tenant_id === quiet.tenantId).map((row) => row.event_id);
  const sent = Array.from({ length: events }, (_, index) => `event-${index}`);
  expect(own.toSorted()).toEqual(sent.toSorted());
  const usage = await call(`${ingest.url("ingest")}/v1/usage`, "GET", { key: quiet.liveKey });
  expect(usage.body.accepted.live).toBe(events);
  // Far more than a busy machine makes of it, far less than waiting behind the other's events would.
  expect(median(beside)).toBeLessThan(10 * (median(alone) ?? 0) + 50);
}, 180_000);
