import { afterAll, beforeAll, expect, test } from "bun:test";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { WebhookReceiver } from "../../demo/receiver.ts";
import { adminCall, call, raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { exportedOnce } from "./exported.ts";
import { type IngestInstallation, startIngest, warehouse } from "./ingest-installation.ts";
import { Senders } from "./senders.ts";

const awayMs = process.env.PAYFLOW_THOROUGH === undefined ? 4_000 : 60_000;

let ingest: IngestInstallation;
let tenant: TestTenant;
let receiver: WebhookReceiver;

beforeAll(async () => {
  receiver = new WebhookReceiver();
  ingest = await startIngest({ roles: "split", replicas: 1 });
  tenant = await registerTenant(ingest);
  await raiseLimits(ingest, tenant);
  const endpoint = await call(`${ingest.url("notifier")}/webhook-endpoints`, "POST", {
    key: tenant.liveKey,
    body: { url: receiver.url, events: ["payment_exhaust.received"] },
  });
  expect(endpoint.status).toBe(201);
  receiver.trust(endpoint.body.signing_secret);
}, 90_000);

afterAll(async () => {
  await ingest?.stop();
  await receiver?.close();
}, 60_000);

test(`while notifier is away for ${awayMs / 1_000} s, events wait for it alone, and then all are told once`, async () => {
  await ingest.putExporter("hooks", { kind: "webhook" });
  await ingest.putExporter("lake", warehouse("lake"));
  const { tenantId, liveKey: key } = tenant;
  const owner = { tenantId, mode: "live", key } as const;
  const merchants = ["m1", "m2", "m3", "m4"].map((merchant) => ({ ...owner, merchant }));
  const senders = new Senders(ingest.url("ingest"), merchants, 150);
  await senders.during(async () => {
    await eventually(() => receiver.distinct().length > 20, { timeoutMs: 30_000 });
    await ingest.installation.stopApp("notifier");
    const before = senders.count;
    await Bun.sleep(awayMs);
    // Nobody who sends is slowed down, and the other exporter goes on; the lag shows whose trouble it is.
    expect(senders.count).toBeGreaterThan(before + 50);
    const [hooks, lake] = [await ingest.readExporter("hooks"), await ingest.readExporter("lake")];
    expect(hooks.lag.events).toBeGreaterThan(50);
    expect(hooks.lag.seconds).toBeGreaterThan(awayMs / 2_000);
    expect(hooks.trouble).not.toBeNull();
    expect(lake.lag.seconds).toBeLessThan(hooks.lag.seconds);
    expect(lake.trouble).toBeNull();
    await ingest.installation.startApp("notifier");
  });
  expect(senders.unexpected).toEqual([]);
  await exportedOnce(path.join(ingest.exports, "lake"), senders.sent);
  await eventually(() => expect(receiver.distinct().length).toBe(senders.count), { timeoutMs: 60_000 });
  const told = receiver.distinct().map(({ body }) => {
    // Each webhook of this event carries the event that was taken.
    const event = body.payment_exhaust as { merchant_id_hash: string; event_id: string };
    return `${event.merchant_id_hash} ${event.event_id}`;
  });
  const sent = senders.sent.flatMap(({ merchant, ids }) => ids.map((id) => `${merchant} ${id}`));
  expect(told.toSorted()).toEqual(sent.toSorted());
  expect(receiver.refused).toBe(0);
  await eventually(async () => {
    const hooks = await ingest.readExporter("hooks");
    expect([hooks.lag.events, hooks.trouble]).toEqual([0, null]);
  });
  const letters = await adminCall(ingest, "ingest", "GET", "/v1/dead-letters");
  expect(letters.body.data).toEqual([]);
}, 300_000);
