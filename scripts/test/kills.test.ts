import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { CrashTest } from "./crashes/crash-test.ts";
import { shortWaits } from "./platform/traffic.ts";

const killsPerApp = process.env.PAYFLOW_THOROUGH === undefined ? 2 : 20;

let installation: RunningInstallation;
let crash: CrashTest;

beforeAll(async () => {
  installation = await startInstallation({
    replicas: 2,
    env: shortWaits,
  });
  crash = await CrashTest.start(installation);
}, 90_000);

afterAll(async () => {
  await crash?.close();
  await installation?.stop();
});

test("kill -9 of any app, again and again under load, loses, doubles and invents nothing", async () => {
  const traffic = crash.traffic(12);
  await traffic.during(async () => {
    for (let round = 0; round < killsPerApp; round += 1) await crash.killEachApp(round);
  });
  expect(traffic.acknowledged.length).toBeGreaterThan(5 * killsPerApp);
  await crash.holds([traffic]);
}, 1_800_000);
