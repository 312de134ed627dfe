import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { allReady, appPids, healthOf } from "../platform/health.ts";
import { documentedApps } from "../platform/open-api.ts";
import { type Answer, pay, raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { mountSmallDisk, type SmallDisk } from "../platform/small-disk.ts";
import { shortWaits, Traffic } from "../platform/traffic.ts";
import { Truth } from "../platform/truth.ts";

setDefaultTimeout(180_000);

const fullMs = process.env.PAYFLOW_THOROUGH === undefined ? 4_000 : 30_000;

const parent = mkdtempSync(path.join(tmpdir(), "payflow-disk-"));
// PostgreSQL's own account has to get through.
chmodSync(parent, 0o711);
const disk: SmallDisk | null = mountSmallDisk(path.join(parent, "disk"), 400);
let installation: RunningInstallation;
let truth: Truth;
let tenant: TestTenant;

beforeAll(async () => {
  if (disk === null) return;
  // Data, logs and the supervisor's own record all stand on the disk that will be full.
  installation = await startInstallation({
    state: path.join(disk.folder, "state"),
    env: shortWaits,
  });
  truth = new Truth(installation);
  tenant = await registerTenant(installation);
  await raiseLimits(installation, tenant);
}, 60_000);

afterAll(async () => {
  await truth?.close();
  await installation?.stop();
  disk?.remove();
  rmSync(parent, { recursive: true, force: true });
});

/** What a caller may be told while the disk is full: the payment's outcome, or to come again. */
function isClean({ status, body, headers }: Answer): boolean {
  if ([201, 202, 402].includes(status)) return typeof body.payment_id === "string";
  return status === 503 && body.code === "unavailable" && Number(headers.get("retry-after")) >= 1;
}

/** Keeps the disk full for a while under load, and checks every answer, then and after there is room again. */
async function survivesFullDisk(): Promise<void> {
  const before = appPids(installation);
  const traffic = new Traffic(installation, tenant, 8);
  const answers: Answer[] = [];
  await traffic.during(async () => {
    await eventually(() => traffic.acknowledged.length > 20);
    disk?.fill();
    const until = performance.now() + fullMs;
    while (performance.now() < until || answers.at(-1)?.status !== 503) {
      answers.push(await pay(installation, tenant.liveKey));
      // What a server gave back when it ended is taken too.
      disk?.fill();
    }
    const unclean = answers.filter((answer) => !isClean(answer)).map(({ status, text }) => [status, text]);
    expect(unclean).toEqual([]);
    for (const app of documentedApps) {
      expect([app, await healthOf(installation, app, "/livez")]).toEqual([app, 200]);
    }

    disk?.makeRoom();
    await allReady(installation, 60_000);
    const acknowledged = traffic.acknowledged.length;
    await eventually(() => traffic.acknowledged.length > acknowledged + 20, { timeoutMs: 30_000 });
  });
  expect(traffic.unexpected).toEqual([]);
  expect(appPids(installation)).toEqual(before);
  await truth.settled();
  await truth.addsUp();
  await truth.holds(traffic.acknowledged);
  const made = answers.filter(({ status }) => status < 500).map(({ body }) => String(body.payment_id));
  const kept = await truth.payment`select id from payment where id = any(${made})`;
  expect(kept.length).toBe(made.length);
}

describe.skipIf(disk === null)("on a full disk (needs the right to mount one)", () => {
  test("payments are refused cleanly, and nothing acknowledged is lost", survivesFullDisk);

  test("where PostgreSQL cannot even write its journal, too", async () => {
    const restarts = () =>
      installation.installation.processes().find(({ name }) => name === "postgres")?.restarts ?? 0;
    const before = restarts();
    const surviving = survivesFullDisk();
    // Each switch asks for a new segment of the journal, until there is no room for one: PostgreSQL then ends.
    await eventually(() => (disk?.freeBytes() ?? 0) === 0, { timeoutMs: 30_000 });
    const switching = (async () => {
      while (restarts() === before && disk?.freeBytes() === 0) {
        await truth.payment`select pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()`.catch(
          () => {},
        );
        await Bun.sleep(20);
      }
    })();
    await Promise.all([surviving, switching]);
    expect(restarts()).toBeGreaterThan(before);
  });
});
