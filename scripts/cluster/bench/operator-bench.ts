import { kubernetesVersion } from "@payflow/one-machine/cluster/kube-binary.ts";
import { operator } from "@payflow/one-machine/installation/apps.ts";
import { memoryByProcess } from "@payflow/one-machine/processes/memory.ts";
import type { BenchRun } from "../../bench/measure/bench.ts";
import { Costs } from "../../bench/measure/costs.ts";
import { until } from "../../bench/measure/wait.ts";
import { type BenchReport, comparedFigure, figure, latencyFigures, machine } from "../../bench/result.ts";
import { type Planned, planned, secretLike, teams, tenant } from "./objects.ts";
import { checkKeys, checkQuiet } from "./operator-truth.ts";
import { Readiness } from "./readiness.ts";
import { operatorUser, startWorkplace, type Workplace } from "./workplace.ts";

const tenantCount = 1_000;
const perSecond = 5;
const openSeconds = 40;
const quietSeconds = 120;
/** Requests under way at once while everything is being made. */
const inFlight = 16;
const allReadyMs = 600_000;

/**
 * Resources from nothing to all ready, beside `kubectl apply` of as many Secrets; then tenants at a constant
 * rate, a time in which nothing changes, and a restart.
 */
export async function operatorBench({ say, scale }: BenchRun): Promise<BenchReport> {
  say("starting a cluster and the apps");
  const workplace = await startWorkplace();
  const { client, installation } = workplace;
  const readiness = new Readiness(client);
  try {
    const all = planned(tenantCount * scale);
    await makeNamespaces(workplace);
    say(`kubectl apply of ${all.length} Secrets`);
    const secretsSeconds = await applySecrets(workplace, all.length);
    await readiness.synced();
    await installation.installation.startApp(operator.name);
    const costs = new Costs(installation, () => workplace.clusterProcesses());
    say(`${all.length} resources from nothing`);
    const memory = watchMemory(workplace);
    const seconds = await costs.during(
      () => fromNothing(workplace, readiness, all),
      () => all.length,
    );
    say(`all ready after ${seconds.toFixed(1)} s; ${perSecond} tenants a second`);
    const tookMs = await atRate(workplace, readiness, all, openSeconds * scale);
    say("a time in which nothing changes");
    const quiet = await whileNothingChanges(workplace, Math.max(10, quietSeconds * scale));
    const atRest = memoryOf(workplace);
    say("a restart");
    const restart = await restarted(workplace, all.length + tookMs.length);
    return {
      bench: "operator",
      results: [
        comparedFigure("all_ready_seconds", seconds, "s", {
          name: "kubectl apply of as many Secrets",
          value: secretsSeconds,
        }),
        ...latencyFigures(`apply_to_ready_at_${perSecond}`, tookMs),
        figure("steady_requests_per_second", quiet.perSecond, "requests/s"),
        figure("restart_settled_seconds", restart.settledSeconds, "s"),
        figure("operator_memory_mib", atRest, "MiB"),
        figure("operator_memory_most_mib", memory.stop(), "MiB"),
        ...costs.processor(),
        ...costs.memory(),
      ],
      checks: [
        await checkKeys(workplace),
        checkQuiet("while nothing changes nothing is written but the Lease", quiet.requests),
        checkQuiet("a restart writes nothing but the Lease", restart.requests),
      ],
      versions: { bun: Bun.version, kubernetes: kubernetesVersion() },
      machine: machine(),
    };
  } finally {
    await readiness.stop();
    await workplace.stop();
  }
}

async function makeNamespaces({ kubectl }: Workplace): Promise<void> {
  const items = ["baseline", ...teams].map((name) => ({
    ...{ apiVersion: "v1", kind: "Namespace", metadata: { name } },
  }));
  await kubectl(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
}

async function applySecrets({ kubectl }: Workplace, count: number): Promise<number> {
  const items = Array.from({ length: count }, (_, index) => secretLike(index));
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  const startedAt = performance.now();
  await kubectl(["apply", "-f", "-"], input);
  return (performance.now() - startedAt) / 1_000;
}

/** Makes all objects and waits until each says that it is ready; how long that took, in seconds. */
async function fromNothing(
  { client }: Workplace,
  readiness: Readiness,
  all: readonly Planned[],
): Promise<number> {
  const startedAt = performance.now();
  const left = [...all].reverse();
  const make = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      await client.create(next.kind, next.object);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, make));
  await until("all resources are ready", () => readiness.count >= all.length, 5, allReadyMs);
  return (performance.now() - startedAt) / 1_000;
}

/** Makes tenants at a constant rate; how long each took from when it was due until it was ready. */
async function atRate(
  { client }: Workplace,
  readiness: Readiness,
  all: readonly Planned[],
  seconds: number,
): Promise<number[]> {
  const policies = all.filter(({ kind }) => kind.kind === "FraudPolicy").length;
  const total = Math.max(1, Math.floor(perSecond * seconds));
  const before = readiness.count;
  const startedAt = performance.now();
  const dueAt = (index: number) => startedAt + (index / perSecond) * 1_000;
  const made = await Promise.all(
    Array.from({ length: total }, async (_, index) => {
      await Bun.sleep(Math.max(0, dueAt(index) - performance.now()));
      const { kind, object } = tenant(`late-${index}`, index, policies);
      await client.create(kind, object);
      return object.metadata;
    }),
  );
  await until("the late tenants are ready", () => readiness.count >= before + total, 5);
  return made.map(({ namespace = "", name }, index) => {
    const readyAt = readiness.readyAt("Tenant", namespace, name);
    return (readyAt ?? Number.POSITIVE_INFINITY) - dueAt(index);
  });
}

async function whileNothingChanges({ audit }: Workplace, seconds: number) {
  // The policies tell a moment later how many tenants they have.
  await Bun.sleep(5_000);
  const mark = await audit.mark();
  const startedAt = performance.now();
  await Bun.sleep(seconds * 1_000);
  const requests = await audit.since(mark, operatorUser);
  return { requests, perSecond: (requests.length / (performance.now() - startedAt)) * 1_000 };
}

/** Ends the operator and starts it again; how long after it took the Lease it has looked at everything. */
async function restarted({ installation, audit, operatorMetrics }: Workplace, objects: number) {
  await installation.installation.stopApp(operator.name);
  const mark = await audit.mark();
  const started = installation.installation.startApp(operator.name);
  let takenAt: number | undefined;
  await until("the operator has settled", async () => {
    const metrics = await operatorMetrics();
    if (total(metrics, "leader_election_master_status") > 0) takenAt ??= performance.now();
    const passes = total(metrics, "controller_runtime_reconcile_total");
    const isIdle =
      total(metrics, "workqueue_depth") === 0 && total(metrics, "controller_runtime_active_workers") === 0;
    return passes >= objects && isIdle;
  });
  const settledSeconds = (performance.now() - (takenAt ?? 0)) / 1_000;
  await started;
  return { settledSeconds, requests: await audit.since(mark, operatorUser) };
}

/** The sum of a metric over all its labels. */
function total(metrics: string, name: string): number {
  return metrics
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

function memoryOf({ operatorPid }: Workplace): number {
  const pid = operatorPid();
  return (memoryByProcess([pid]).get(pid) ?? 0) / 2 ** 20;
}

/** The most memory, in MiB, that the operator has from now until `stop`. */
function watchMemory(workplace: Workplace): { stop(): number } {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, memoryOf(workplace));
  }, 500);
  return {
    stop() {
      clearInterval(timer);
      return most;
    },
  };
}
