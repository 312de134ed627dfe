import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { exportedOnce } from "./exported.ts";
import { type IngestInstallation, startIngest, warehouse } from "./ingest-installation.ts";
import { Senders } from "./senders.ts";
import { canTrace, type FollowedRedis, followRedis } from "./synced-bytes.ts";

const rounds = process.env.PAYFLOW_THOROUGH === undefined ? 3 : 20;
const isTraceable = await canTrace();
const traces = mkdtempSync(path.join(tmpdir(), "payflow-traces-"));

let ingest: IngestInstallation;
let tenant: TestTenant;

beforeAll(async () => {
  if (!isTraceable) return;
  ingest = await startIngest({ roles: "split", replicas: 1 });
  tenant = await registerTenant(ingest);
  await raiseLimits(ingest, tenant);
}, 90_000);

afterAll(async () => {
  await ingest?.stop();
  rmSync(traces, { recursive: true });
}, 60_000);

function follow(round: number): Promise<FollowedRedis> {
  const redis = ingest.installation.processes().find(({ name }) => name === "redis-durable");
  if (!redis?.pid) throw new Error("the durable Redis does not run");
  return followRedis(redis.pid, path.join(ingest.state, "redis-durable"), path.join(traces, `${round}`));
}

describe.skipIf(!isTraceable)("where Redis's disk loses what was not synced (needs strace)", () => {
  test(`after ${rounds} power losses no acknowledged event is missing, stored twice or out of order`, async () => {
    await ingest.putExporter("lake", warehouse("lake", { max_rows: 200 }));
    const { tenantId, liveKey: key } = tenant;
    const merchants = Array.from({ length: 8 }, (_, index) => ({
      ...({ tenantId, mode: "live", key } as const),
      merchant: `m${index}`,
    }));
    const lost: number[] = [];
    const senders = new Senders(ingest.url("ingest"), merchants, 2);
    await senders.during(async () => {
      // A loss between two syncs takes nothing, and then another one is needed for anything to be tried.
      for (let round = 0; round < rounds || lost.every((bytes) => bytes === 0); round += 1) {
        const redis = await follow(round);
        const before = senders.count;
        await eventually(() => senders.count > before + 20, { timeoutMs: 30_000 });
        // Random moments are what is tried here.
        await Bun.sleep(Math.random() * 500);
        await ingest.installation.stopStore("durable", "SIGKILL");
        lost.push(await redis.loseUnsynced());
        await ingest.installation.startStore("durable");
      }
    });
    expect(senders.unexpected).toEqual([]);
    await exportedOnce(path.join(ingest.exports, "lake"), senders.sent);
  }, 900_000);
});
