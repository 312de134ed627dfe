import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import type { ScenarioName } from "../../loadtest/run/promises.ts";
import { markdownOf, type Report, type Truth, withTruths } from "../../loadtest/run/report.ts";
import type { Amount } from "../../loadtest/run/settings.ts";
import type { Finding, RunningExtra } from "./extras/extra.ts";
import { k6Binary } from "./k6-binary.ts";
import { scenarios } from "./scenarios.ts";
import type { Target } from "./target.ts";
import { eventTruths } from "./truths/event-truths.ts";
import { moneyTruths } from "./truths/money-truths.ts";

export interface ScenarioRun {
  readonly name: ScenarioName;
  readonly target: Target;
  readonly amount: Amount;
  /** An empty or new folder for `results.json`, `summary.md` and `k6.log`. */
  readonly folder: string;
  /** Public base URLs that differ from the target's. */
  readonly urls?: Readonly<Record<string, string>>;
}

const apps = ["payment", "ledger", "notifier", "tenant", "ingest"];
/** What k6 may take beyond the load: its start, the open requests, the audit. */
const graceMs = 10 * 60_000;

/**
 * Runs a scenario with k6, looks at what k6 cannot see, and writes the results; returns them. Throws when k6
 * left none.
 */
export async function runScenario(run: ScenarioRun): Promise<Report> {
  const k6 = await k6Binary();
  mkdirSync(run.folder, { recursive: true });
  const since = new Date();
  const before = run.target.processes();
  const extra = await scenarios[run.name].extra?.(run.target, run.amount);
  try {
    const ended = await execute(k6, run, extra);
    const report = readReport(run.folder, ended.log);
    const found = (await extra?.finish(report)) ?? none;
    const complete = withTruths(
      report,
      [
        ...found.truths,
        ...(await moneyTruths(run.target, report.tenants, since)),
        ...(await eventTruths(run.target, report.tenants)),
        endTruth(ended.exitCode),
        stillRunning(before, run.target.processes()),
      ],
      found.figures,
    );
    writeFileSync(path.join(run.folder, "results.json"), `${JSON.stringify(complete, null, 2)}\n`);
    writeFileSync(path.join(run.folder, "summary.md"), markdownOf(complete));
    return complete;
  } finally {
    await extra?.stop();
  }
}

const none: Finding = { truths: [], figures: [] };

async function execute(k6: string, run: ScenarioRun, extra: RunningExtra | undefined) {
  const file = path.join(run.folder, "k6.log");
  const log = openSync(file, "w");
  const script = path.join(repositoryRoot, "loadtest", `${run.name}.ts`);
  const child = Bun.spawn([k6, "run", "--quiet", "--no-color", "--no-usage-report", script], {
    cwd: repositoryRoot,
    env: { ...environmentOf(run), ...extra?.environment },
    stdin: "ignore",
    stdout: log,
    stderr: log,
    timeout: run.amount.seconds * 1_000 + graceMs,
  });
  const exitCode = await child.exited;
  closeSync(log);
  return { exitCode, log: readFileSync(file, "utf8") };
}

/** Without proxies, which have no business between k6 and this machine, and without settings of k6's own. */
function environmentOf({ target, amount, folder, urls = {} }: ScenarioRun): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !/_proxy$/i.test(name) && !/^K6_/.test(name));
  return {
    ...Object.fromEntries(kept.map(([name, value]) => [name, value ?? ""])),
    NO_PROXY: "*",
    LOADTEST_ADMIN_TOKEN: target.adminToken,
    LOADTEST_NO_OP_URL: target.url("payment"),
    LOADTEST_RATE: `${amount.rate}`,
    LOADTEST_SECONDS: `${amount.seconds}`,
    LOADTEST_RESULTS: path.resolve(folder),
    ...Object.fromEntries(
      apps.map((app) => [`LOADTEST_${app.toUpperCase()}_URL`, urls[app] ?? target.url(app)]),
    ),
  };
}

function readReport(folder: string, log: string): Report {
  const file = path.join(folder, "results.json");
  if (!existsSync(file)) throw new Error(`k6 left no results. It said:\n${log.trim().slice(-3_000)}`);
  return JSON.parse(readFileSync(file, "utf8"));
}

/** k6 ends with 99 where a threshold was crossed, which the report tells, and otherwise when it broke. */
function endTruth(exitCode: number): Truth {
  const isTrue = exitCode === 0 || exitCode === 99;
  return { name: "k6 came to its end", isTrue, found: `exit status ${exitCode}` };
}

function stillRunning(
  before: ReturnType<Target["processes"]>,
  after: ReturnType<Target["processes"]>,
): Truth {
  const gone = before.filter((one) => !after.some(({ name, pid }) => name === one.name && pid === one.pid));
  const found = gone.length === 0 ? "all as before" : gone.map(({ name }) => name).join(", ");
  return { name: "no process ended or was started again", isTrue: gone.length === 0, found };
}
