import { randomUUID } from "node:crypto";
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { isKubeBuilt, kubeBinary } from "@payflow/one-machine/cluster/kube-binary.ts";
import { tenantSecretsIn } from "@payflow/one-machine/installation/logged-secrets.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { redisServerBinary } from "@payflow/one-machine/stores/redis-binary.ts";
import { sharedTestKafka } from "@payflow/testkit/kafka.ts";
import { testCluster } from "@payflow/testkit/kubernetes.ts";
import { startTestPostgres } from "@payflow/testkit/postgres.ts";
import { k6Binary } from "../loadtest/k6-binary.ts";
import { Durations } from "./durations.ts";
import { type Job, planJobs } from "./jobs.ts";
import { findLeftovers, killLeftovers, marked, runVariable } from "./leftovers.ts";
import { type Outcome, readOutcome, sumOutcomes, totalLine } from "./outcome.ts";
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
  const kafka = jobs.some(({ usesKafka }) => usesKafka) ? startKafka() : null;
  const k6 = jobs.some(({ usesK6 }) => usesK6) ? buildK6(run) : null;
  const kubernetes = jobs.some(({ usesKubernetes }) => usesKubernetes) ? buildKubernetes(run) : null;
  const mustBuild = kubernetes !== null && !isKubeBuilt();
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
    const more = {
      ...(job.usesKafka ? await kafka : {}),
      ...(job.usesKubernetes ? await startKubernetes(kubernetes) : {}),
    };
    const start = performance.now();
    const { output, exitCode } = await execute(job, { ...environment, ...more }, folder);
    const outcome = withoutSecrets(readOutcome(job.kind, output, exitCode), output);
    const ms = performance.now() - start;
    durations.remember(job.name, ms);
    outcomes.push(outcome);
    report(job, outcome, output, ms);
  };
  const longestFirst = jobs.toSorted((one, other) => durations.of(other.name) - durations.of(one.name));
  // Whoever waits for a build keeps a processor from the others.
  const [later, sooner] = [true, false].map((isLater) =>
    longestFirst.filter((job) => !job.isAlone && (mustBuild && job.usesKubernetes) === isLater),
  );
  await inParallel([...(sooner ?? []), ...(later ?? [])], availableParallelism(), runJob);
  // Jobs that run alone are those whose deadlines a build beside them would break; load tests are among them.
  await k6;
  await inParallel(
    longestFirst.filter((job) => job.isAlone),
    1,
    runJob,
  );
  durations.save();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const leftovers = await checkLeftovers(run);
  return conclude(sumOutcomes([...outcomes, leftovers]));
}

/**
 * One broker for all jobs that use Kafka, starting while the others run already. Where it cannot be had, the
 * tests that need it fail and say why.
 */
async function startKafka(): Promise<Record<string, string>> {
  try {
    return { PAYFLOW_TEST_KAFKA_BROKERS: await sharedTestKafka() };
  } catch {
    return {};
  }
}

/**
 * The first time it takes minutes of a processor, as gently as can be; it is needed at the end. Where it
 * fails, the tests that need it fail and say why.
 */
async function buildK6(run: string): Promise<void> {
  try {
    await k6Binary({ [runVariable]: run });
  } catch {
    // They try it again themselves.
  }
}

/** Started at once, since the first time it takes minutes of a processor, as gently as can be. */
async function buildKubernetes(run: string): Promise<void> {
  try {
    await kubeBinary({ [runVariable]: run });
  } catch {
    // The tests that need it try it again themselves, and say why it fails.
  }
}

/** One Kubernetes API for all jobs that use it, from the first of them on. */
async function startKubernetes(built: Promise<void> | null): Promise<Record<string, string>> {
  await built;
  try {
    return { PAYFLOW_TEST_KUBECONFIG: (await testCluster()).kubeconfig };
  } catch {
    return {};
  }
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

/** Takes the jobs in their order, several at a time. */
async function inParallel<T>(items: readonly T[], count: number, run: (item: T) => Promise<void>) {
  const waiting = [...items];
  const work = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await run(item);
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
