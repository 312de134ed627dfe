import { afterAll, beforeAll, expect, test } from "bun:test";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { call, raiseLimits, registerTenant } from "../platform/platform.ts";
import { exportedOnce } from "./exported.ts";
import { type IngestInstallation, startIngest, warehouse } from "./ingest-installation.ts";
import { type Merchant, Senders } from "./senders.ts";

const killsEach = process.env.PAYFLOW_THOROUGH === undefined ? 3 : 20;

let ingest: IngestInstallation;

beforeAll(async () => {
  ingest = await startIngest({ roles: "split", replicas: 2 });
}, 90_000);

afterAll(() => ingest?.stop(), 60_000);

async function killRedis(): Promise<void> {
  await ingest.installation.stopStore("durable", "SIGKILL");
  await ingest.installation.startStore("durable");
}

async function killReplica(app: string, replica: number): Promise<void> {
  ingest.installation.kill(app, replica, "SIGKILL");
  await ingest.ready(app, replica);
}

test(`${3 * killsEach} kills of what takes events, exports and stores them lose none, double none and keep their order`, async () => {
  const [one, other] = [await registerTenant(ingest), await registerTenant(ingest)];
  for (const tenant of [one, other]) await raiseLimits(ingest, tenant);
  const { tenantId } = one;
  const owners = [
    { tenantId, mode: "live", key: one.liveKey },
    { tenantId, mode: "test", key: one.testKey },
    { tenantId: other.tenantId, mode: "live", key: other.liveKey },
  ] as const;
  const merchants: Merchant[] = owners.flatMap((owner) =>
    ["m1", "m2", "m3", "m4"].map((merchant) => ({ ...owner, merchant })),
  );
  await ingest.putExporter("lake", warehouse("lake", { max_rows: 200 }));
  const senders = new Senders(ingest.url("ingest"), merchants);
  await senders.during(async () => {
    for (let round = 0; round < killsEach; round += 1) {
      for (const victim of ["ingest", "exporter", "redis"]) {
        const before = senders.count;
        // Random moments are what is tried here.
        await Bun.sleep(100 + Math.random() * 600);
        if (victim === "redis") await killRedis();
        else await killReplica(victim, 1 + (round % 2));
        await eventually(() => senders.count > before, { timeoutMs: 30_000 });
      }
    }
  });
  expect(senders.unexpected).toEqual([]);
  expect(senders.count).toBeGreaterThan(100 * killsEach);
  await exportedOnce(path.join(ingest.exports, "lake"), senders.sent);

  // What was stored is what was acknowledged, and nobody failed an event because somebody was killed.
  for (const { tenantId, mode, key } of owners) {
    const own = senders.sent.filter((sent) => sent.tenantId === tenantId && sent.mode === mode);
    const stored = own.reduce((sum, { ids }) => sum + ids.length, 0);
    const usage = await call(`${ingest.url("ingest")}/v1/usage`, "GET", { key });
    expect(usage.body.accepted[mode]).toBe(stored);
    await eventually(async () => {
      const { body } = await call(`${ingest.url("ingest")}/v1/streams`, "GET", { key });
      expect(body).toMatchObject({ accepted: stored, exported: stored, dead: 0 });
    });
  }
  await eventually(async () => expect((await ingest.readExporter("lake")).lag.events).toBe(0));
}, 1_800_000);
