import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { promises, type ScenarioName } from "../../../loadtest/run/promises.ts";
import type { Report } from "../../../loadtest/run/report.ts";
import { k6Binary, pinnedVersion } from "../../loadtest/k6-binary.ts";
import { runScenario } from "../../loadtest/run-scenario.ts";
import { scenarioNames, scenarios } from "../../loadtest/scenarios.ts";
import { ownTarget } from "../../loadtest/target.ts";
import { startDelayingProxy } from "./delaying-proxy.ts";
import { plantDoubleBooking } from "./double-booking.ts";

const isThorough = process.env.PAYFLOW_THOROUGH !== undefined;
let installation: RunningInstallation;
const results = mkdtempSync(path.join(tmpdir(), "payflow-loadtest-"));

beforeAll(async () => {
  // Built by now when `./payflow test` runs this; a first build takes some minutes.
  await k6Binary();
  installation = await startInstallation({ isDurable: false, env: { LOG_LEVEL: "warn" } });
}, 900_000);

afterAll(async () => {
  await installation?.stop();
  rmSync(results, { recursive: true, force: true });
}, 60_000);

/** Runs a scenario's short version, with results in a folder of this name. */
async function short(name: ScenarioName, as: string, urls: Record<string, string> = {}): Promise<Report> {
  const folder = path.join(results, as);
  const amount = { ...scenarios[name].short, ...(isThorough ? { seconds: 20 } : {}) };
  return runScenario({ name, target: ownTarget(installation), amount, folder, urls });
}

/** What did not hold, in words. */
function brokenIn(report: Report): string[] {
  return [
    ...report.checks.filter(({ fails }) => fails > 0).map(({ name }) => name),
    ...report.truths.filter(({ isTrue }) => !isTrue).map(({ name, found }) => `${name}: ${found}`),
    ...report.thresholds.filter(({ isMet }) => !isMet).map(({ metric, rule }) => `${metric}: ${rule}`),
  ];
}

test.each(scenarioNames.map((name) => [name, promises[name]]))(
  "%s passes its thresholds: %s",
  async (name) => {
    // The list above is made of names.
    const report = await short(name as ScenarioName, name);
    expect(brokenIn(report)).toEqual([]);
    expect(report.isPassed).toBe(true);
  },
  120_000,
);

test("results are JSON and Markdown that hold no key", () => {
  for (const name of scenarioNames) {
    const files = readdirSync(path.join(results, name)).sort();
    expect(files).toEqual(["k6.log", "results.json", "summary.md"]);
    for (const file of files) {
      const text = readFileSync(path.join(results, name, file), "utf8");
      expect(text).not.toMatch(/pfk_(live|test)_/);
      expect(text).not.toContain(installation.adminToken);
    }
    expect(readFileSync(path.join(results, name, "summary.md"), "utf8")).toStartWith(`# ${name}: passed`);
  }
});

test("50 ms of sleep on the way of a payment make the load test fail, on its time alone", async () => {
  const proxy = startDelayingProxy(installation.url("payment"), 50);
  try {
    const report = await short("payments", "slow", { payment: proxy.url });
    const [first, ...others] = brokenIn(report);
    expect(first).toStartWith("times_no_op: ");
    expect(others.filter((one) => !one.startsWith("times_no_op: "))).toEqual([]);
    expect(report.isPassed).toBe(false);
  } finally {
    proxy.stop();
  }
}, 120_000);

/** Runs the command against the test's own installation for two seconds. */
async function loadtest(
  name: string,
  out: string,
): Promise<{ status: number; said: string; report: Report }> {
  const folder = path.join(results, out);
  const flags = ["--state", installation.state, "--duration", "2s", "--rate", "20", "--out", folder];
  const child = Bun.spawn([path.join(repositoryRoot, "payflow"), "loadtest", name, ...flags], {
    env: process.env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const said = await new Response(child.stdout).text();
  const report = JSON.parse(readFileSync(path.join(folder, name, "results.json"), "utf8"));
  return { status: await child.exited, said, report };
}

test("the command ends with 0 when all holds, and says where the results are", async () => {
  const { status, said, report } = await loadtest("payments", "command");
  expect([brokenIn(report), status]).toEqual([[], 0]);
  expect(said).toContain("# payments: passed");
  expect(said).toMatch(/Results: \S+payments\/results.json/);
}, 120_000);

// The last one, since the ledger stays as it is left.
test("a ledger that books twice makes the load test fail, by tenants' and by the platform's own view", async () => {
  await plantDoubleBooking(installation);
  const { status, said, report } = await loadtest("payments", "double");
  expect(status).toBe(1);
  expect(said).toContain("# payments: FAILED");
  const broken = brokenIn(report);
  expect(broken).toContain("every payment is booked once, with what was captured");
  expect(broken).toContain("the balance is what was captured less what was given back");
  expect(broken).toContain("checks: rate==1");
  const payments = report.checks.find(({ name }) => name.startsWith("a payment is answered"))?.passes ?? 0;
  expect(payments).toBeGreaterThan(0);
  expect(broken).toContain(
    `the ledger has one capture a captured payment: ${2 * payments} captures, ${payments} payments`,
  );
}, 120_000);

test("k6 is of the pinned version", async () => {
  const version = Bun.spawnSync([await k6Binary(), "version"]).stdout.toString();
  expect(version).toStartWith(`k6 v${pinnedVersion()} `);
});
