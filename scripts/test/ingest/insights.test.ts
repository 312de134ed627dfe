import { afterAll, beforeAll, expect, test } from "bun:test";
import { derivedId } from "@payflow/contracts/ids.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { WebhookReceiver } from "../../demo/receiver.ts";
import { call, raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { type IngestInstallation, startIngest } from "./ingest-installation.ts";

let ingest: IngestInstallation;
let tenant: TestTenant;
let other: TestTenant;
let receiver: WebhookReceiver;

beforeAll(async () => {
  receiver = new WebhookReceiver();
  ingest = await startIngest({ roles: "all", replicas: 2, env: { INSIGHTS_LEAST_OUTCOMES: "20" } });
  [tenant, other] = await Promise.all([registerTenant(ingest), registerTenant(ingest)]);
  await raiseLimits(ingest, tenant);
  const endpoint = await call(`${ingest.url("notifier")}/webhook-endpoints`, "POST", {
    key: tenant.liveKey,
    body: { url: receiver.url, events: ["processor.degraded", "processor.recovered"] },
  });
  expect(endpoint.status).toBe(201);
  receiver.trust(endpoint.body.signing_secret);
}, 90_000);

afterAll(async () => {
  await ingest?.stop();
  await receiver?.close();
}, 60_000);

/** Events of one processor, of which the first ones fail. */
function events(processor: string, count: number, failed: number) {
  return Array.from({ length: count }, (_, at) => ({
    event_type: at < failed ? "payment_failed" : "payment_succeeded",
    event_timestamp: new Date().toISOString(),
    event_id: `${processor}-${at}`,
    merchant_id_hash: `merchant-${at % 9}`,
    payment_intent_id_hash: `intent-${at}`,
    processor,
    ...(at < failed ? { failure_category: "processor_timeout" } : {}),
    retry_count: at % 2,
    geo_bucket: "US",
    payment_method_bucket: "credit_card",
  }));
}

const insights = (key: string) =>
  call(`${ingest.url("ingest")}/v1/insights/processors?window=15m`, "GET", { key });

test("a processor's trouble is seen in its figures at once, and told by one webhook once it is certain", async () => {
  const { tenantId, liveKey: key } = tenant;
  const body = [...events("stripe", 120, 90), ...events("adyen", 80, 2)];
  const taken = await call(`${ingest.url("ingest")}/v1/events`, "POST", { key, body });
  expect([taken.status, taken.body.accepted]).toEqual([202, 200]);
  // What is sent again is stored, and counted, once.
  const again = await call(`${ingest.url("ingest")}/v1/events`, "POST", { key, body });
  expect(again.body.duplicates).toBe(200);

  const seen = await eventually(async () => {
    const answer = await insights(key);
    const counted = answer.body.data?.reduce(
      (sum: number, one: { current: { events: number } }) => sum + one.current.events,
      0,
    );
    return counted === 200 && answer;
  });
  expect(seen.body.data).toMatchObject([
    {
      processor: "stripe",
      current: { events: 120, failures: 90, failure_rate: 0.75, timeout_share: 1, retries: 60 },
      clusters: [
        { category: "processor_timeout", geography: "US", method: "credit_card", failures: 90, share: 1 },
      ],
    },
    { processor: "adyen", status: "ok", current: { events: 80, failures: 2, failure_rate: 0.025 } },
  ]);
  expect((await insights(other.liveKey)).body.data).toEqual([]);
  expect((await insights(tenant.testKey)).body.data).toEqual([]);

  // The minute is judged once it is over, by whichever replica is there then.
  await ingest.installation.stopApp("ingest", 1, "SIGKILL");
  await eventually(() => receiver.distinct().length > 0, { timeoutMs: 90_000 });
  const [told] = receiver.distinct();
  expect(told?.body).toMatchObject({
    event: "processor.degraded",
    tenant_id: tenantId,
    mode: "live",
    payment_id: null,
    sequence: null,
    processor: "stripe",
    baseline: null,
  });
  // Some of the events may have come after the minute that was judged.
  expect(Number(told?.body.failure_rate)).toBeGreaterThanOrEqual(0.5);
  const until = String(told?.body.window_to);
  expect(String(told?.body.event_id)).toBe(
    derivedId("evt", ["processor.degraded", tenantId, "live", "stripe", until]),
  );
  const degraded = await eventually(async () => {
    const { body: answer } = await insights(key);
    return answer.data[0]?.status === "degraded" && answer;
  });
  expect(degraded.data[0].degraded_since).toBe(until);
  await ingest.installation.startApp("ingest", 1);
  await ingest.ready("ingest", 1);
  expect(receiver.distinct()).toHaveLength(1);
  expect(receiver.refused).toBe(0);
}, 180_000);
