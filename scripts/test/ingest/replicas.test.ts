import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { WebhookReceiver } from "../../demo/receiver.ts";
import { metricOf } from "../platform/health.ts";
import { adminCall, call, raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { exportedOnce } from "./exported.ts";
import { type IngestInstallation, startIngest, warehouse } from "./ingest-installation.ts";
import { Senders } from "./senders.ts";

setDefaultTimeout(180_000);

const rounds = process.env.PAYFLOW_THOROUGH === undefined ? 1 : 5;

let ingest: IngestInstallation;
let tenant: TestTenant;
let receiver: WebhookReceiver;

beforeAll(async () => {
  receiver = new WebhookReceiver();
  ingest = await startIngest({ roles: "all", replicas: 2 });
  tenant = await registerTenant(ingest);
  await raiseLimits(ingest, tenant);
  const endpoint = await call(`${ingest.url("notifier")}/webhook-endpoints`, "POST", {
    key: tenant.testKey,
    body: { url: receiver.url, events: ["payment_exhaust.received"] },
  });
  expect(endpoint.status).toBe(201);
  receiver.trust(endpoint.body.signing_secret);
  await ingest.putExporter("hooks", { kind: "webhook" });
  await ingest.putExporter("lake", warehouse("lake", { max_rows: 100 }));
}, 90_000);

afterAll(async () => {
  await ingest?.stop();
  await receiver?.close();
}, 60_000);

test("two replicas share the work and are replaced under load; every event has one place and one effect", async () => {
  const { tenantId, testKey: key } = tenant;
  const owner = { tenantId, mode: "test", key } as const;
  const merchants = Array.from({ length: 12 }, (_, index) => ({ ...owner, merchant: `m${index}` }));
  const senders = new Senders(ingest.url("ingest"), merchants, 150);
  const exits: (number | null)[] = [];
  await senders.during(async () => {
    await eventually(
      async () => {
        for (const replica of [1, 2]) {
          const url = ingest.replicaUrl("ingest", replica);
          expect(await metricOf(url, "payflow_ingest_events_total", /result="stored"/)).toBeGreaterThan(0);
          for (const exporter of ["hooks", "lake"]) {
            const group = new RegExp(`group="exporter-${exporter}"`);
            expect(await metricOf(url, "payflow_streams_held_partitions_count", group)).toBe(8);
          }
        }
      },
      { timeoutMs: 30_000, everyMs: 250 },
    );
    for (let round = 0; round < rounds; round += 1) {
      for (const replica of [1, 2]) {
        const before = senders.count;
        exits.push(await ingest.installation.stopApp("ingest", replica));
        // The other one goes on alone.
        await eventually(() => senders.count > before, { timeoutMs: 20_000 });
        await ingest.installation.startApp("ingest", replica);
      }
    }
  });
  expect(exits).toEqual(exits.map(() => 0));
  expect(senders.unexpected).toEqual([]);
  await exportedOnce(path.join(ingest.exports, "lake"), senders.sent);
  await eventually(() => expect(receiver.distinct().length).toBe(senders.count), { timeoutMs: 60_000 });
  // Nobody was killed, so that even "at least once" means once.
  expect(receiver.received.length).toBe(senders.count);
  await eventually(async () => {
    const { body } = await adminCall(ingest, "ingest", "GET", "/v1/streams");
    const groups = body.groups.map((one: { group: string; lag_events: number }) => [
      one.group,
      one.lag_events,
    ]);
    expect([body.dead, groups]).toEqual([
      0,
      [
        ["exporter-hooks", 0],
        ["exporter-lake", 0],
        ["insights", 0],
      ],
    ]);
  });
});
