import { randomUUID } from "node:crypto";
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { tenantSecretsIn } from "@payflow/one-machine/installation/logged-secrets.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { redisServerBinary } from "@payflow/one-machine/stores/redis-binary.ts";
import { startTestPostgres } from "@payflow/testkit/postgres.ts";
import { Durations } from "./durations.ts";
import { type Company, type Job, planJobs } from "./jobs.ts";
import { findLeftovers, killLeftovers, marked, runVariable } from "./leftovers.ts";
import { type Outcome, readOutcome, sumOutcomes, totalLine } from "./outcome.ts";
import { Prepared } from "./prepared.ts";
import { installTestTools } from "./test-tools.ts";

export interface RunOptions {
  readonly pattern: string | undefined;
  readonly isThorough: boolean;
}

/** A job that hangs must not hang the run. */
const jobTimeoutMs = 15 * 60_000;

/** Runs the checks and tests side by side and prints one line each; answers whether everything passed. */
export async function runTests({ pattern, isThorough }: RunOptions): Promise<boolean> {
  const jobs = planJobs(repositoryRoot, pattern);
  redisServerBinary();
  installTestTools();
  const folder = runFolder();
  // Started before the run has its mark: this server ends with the command, not with the tests.
  const postgresUrl = process.env.PAYFLOW_TEST_POSTGRES_URL || (await startTestPostgres());
  const run = randomUUID();
  endOnSignal(run, folder);
  const prepared = new Prepared({ needs: new Set(jobs.flatMap(({ needs }) => needs)), run, folder });
  const environment = {
    ...process.env,
    [runVariable]: run,
    TMPDIR: folder,
    NO_COLOR: "1",
    PAYFLOW_TEST_POSTGRES_URL: postgresUrl,
    ...(isThorough ? { PAYFLOW_THOROUGH: "1" } : {}),
  };
  const durations = new Durations();
  const outcomes: Outcome[] = [];
  const runJob = async (job: Job) => {
    const more = await prepared.variables(job.needs);
    const start = performance.now();
    const { output, exitCode } = await execute(job, { ...environment, ...more }, folder);
    const outcome = withoutSecrets(readOutcome(job.kind, output, exitCode), output);
    const ms = performance.now() - start;
    durations.remember(job.name, ms);
    outcomes.push(outcome);
    report(job, outcome, output, ms);
  };
  const longestFirst = jobs.toSorted((one, other) => durations.of(other.name) - durations.of(one.name));
  const canStart = ({ needs }: Job) => !prepared.isWaitedFor(needs);
  const of = (company: Company) => longestFirst.filter((job) => job.company === company);
  // Two more than there are processors: most of them wait most of the time, for outages and schedules.
  await inParallel(of("many"), availableParallelism() + 2, runJob, canStart);
  // The others assert deadlines that a build beside them would break.
  await prepared.done;
  await inParallel(of("quiet"), 2, runJob, canStart);
  await inParallel(of("alone"), 1, runJob, canStart);
  durations.save();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const leftovers = await checkLeftovers(run);
  return conclude(sumOutcomes([...outcomes, leftovers]));
}

/** Whoever gives up on a run must not be left with its tests. */
function endOnSignal(run: string, folder: string): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      killLeftovers(marked(run));
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
      process.exit(130);
    });
  }
}

function runFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "payflow-run-"));
  // PostgreSQL's own account has to get through to the folders that tests make in it.
  chmodSync(folder, 0o711);
  return folder;
}

async function execute(
  job: Job,
  env: NodeJS.ProcessEnv,
  folder: string,
): Promise<{ output: string; exitCode: number }> {
  const file = path.join(folder, `${randomUUID()}.log`);
  // A file and no pipe: a process that a test leaves behind would hold a pipe open, and the run would wait
  // for it.
  const log = openSync(file, "w");
  const child = Bun.spawn([...job.command], {
    cwd: repositoryRoot,
    env,
    stdin: "ignore",
    stdout: log,
    stderr: log,
    timeout: jobTimeoutMs,
    killSignal: "SIGKILL",
  });
  const exitCode = await child.exited;
  closeSync(log);
  return { output: readFileSync(file, "utf8"), exitCode };
}

/** A job that passed shows the log lines of the apps under test, and no key may stand in one. */
function withoutSecrets(outcome: Outcome, output: string): Outcome {
  const shown = outcome.failed === 0 ? tenantSecretsIn(output) : [];
  for (const what of shown) console.log(`FAIL  the output below shows ${what}`);
  return { ...outcome, failed: outcome.failed + shown.length };
}

function report(job: Job, outcome: Outcome, output: string, ms: number): void {
  const seconds = `${(ms / 1_000).toFixed(1)} s`.padStart(8);
  if (outcome.failed === 0) {
    const count = job.kind === "check" ? "" : `  ${outcome.passed} passed`;
    console.log(`ok    ${seconds}  ${job.name}${count}`);
    return;
  }
  console.log(`FAIL  ${seconds}  ${job.name}\n${output.trimEnd().replaceAll(/^/gm, "      ")}\n`);
}

/**
 * Takes the jobs in their order, several at a time. Those that would wait for a build come later: they would
 * keep a processor from the others.
 */
async function inParallel(
  jobs: readonly Job[],
  count: number,
  run: (job: Job) => Promise<void>,
  canStart: (job: Job) => boolean,
): Promise<void> {
  const waiting = [...jobs];
  const next = () => waiting.splice(Math.max(0, waiting.findIndex(canStart)), 1)[0];
  const work = async () => {
    for (let job = next(); job !== undefined; job = next()) await run(job);
  };
  await Promise.all(Array.from({ length: count }, work));
}

/** Tests must clean up after themselves; a process they leave is a failure like any other. */
async function checkLeftovers(run: string): Promise<Outcome> {
  const leftovers = await findLeftovers(run);
  for (const { pid, command } of leftovers) console.log(`FAIL  left running: ${pid} ${command}`);
  killLeftovers(leftovers);
  return { passed: 0, failed: leftovers.length, skipped: 0, skippedNames: [] };
}

function conclude(total: Outcome): boolean {
  for (const name of total.skippedNames) console.log(`skipped: ${name}`);
  console.log(totalLine(total));
  return total.failed === 0;
}
