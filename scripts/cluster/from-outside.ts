import { existsSync, mkdirSync, openSync } from "node:fs";
import path from "node:path";
import { adminKubeconfig, clusterFolder } from "@payflow/one-machine/cluster/cluster.ts";
import { isKubeBuilt, kubeBinary, kubernetesVersion } from "@payflow/one-machine/cluster/kube-binary.ts";
import { isNodeBuilt, nodeBinary } from "@payflow/one-machine/cluster/node/node-binary.ts";
import { removeNodeRemains } from "@payflow/one-machine/cluster/node/node-cluster.ts";
import { nodeObstacle } from "@payflow/one-machine/cluster/node/obstacle.ts";
import {
  endLeftovers,
  makeStateFolder,
  readRunRecord,
  runningRecord,
} from "@payflow/one-machine/installation/state.ts";
import { endProcess, isAlive } from "@payflow/one-machine/processes/child.ts";
import { logTail } from "@payflow/one-machine/processes/supervisor.ts";
import { type ClusterSettings, readClusterSettings, writeClusterSettings } from "./settings.ts";

const usualPort = 6_443;
/** Each of the three parts has ten seconds to end; a node has ninety for all that runs in it. */
const supervisorTimeoutMs = 120_000;

/**
 * Starts the cluster of a state folder, if it does not run, and comes back when it is ready, with what a user
 * wants to know about it.
 */
export async function bringClusterUp(state: string, wanted: Partial<ClusterSettings> = {}): Promise<string> {
  const folder = clusterFolder(state);
  const running = runningRecord<ClusterSettings>(folder);
  const kept = running?.settings ?? readClusterSettings(folder);
  const settings = { port: usualPort, node: false, ...kept, ...wanted };
  if (running !== null) {
    const { port, node } = running.settings;
    if (settings.port !== port || settings.node !== node) {
      const now = `on port ${port}, with${node ? "" : "out"} a node`;
      throw new Error(`The cluster runs ${now}. Take it down first to change that.`);
    }
    await readiness(folder, running.supervisor.pid, () => !isAlive(running.supervisor));
    console.log(`The cluster is already running (supervisor ${running.supervisor.pid}).`);
  } else {
    await startCluster(state, settings);
  }
  return description(folder, settings);
}

async function startCluster(state: string, settings: ClusterSettings): Promise<void> {
  const folder = clusterFolder(state);
  const obstacle = settings.node ? nodeObstacle() : null;
  if (obstacle !== null) throw new Error(obstacle);
  if (!isKubeBuilt()) {
    console.log(`Building Kubernetes ${kubernetesVersion()} from its source; once, for 5 to 15 minutes …`);
    await kubeBinary();
  }
  if (settings.node && !isNodeBuilt()) {
    console.log("Building the node's programs from their source; once, for some minutes …");
    await nodeBinary();
  }
  makeStateFolder(state);
  const logFile = logFileOf(folder);
  mkdirSync(path.dirname(logFile), { recursive: true, mode: 0o700 });
  writeClusterSettings(folder, settings);
  const log = openSync(logFile, "a", 0o600);
  const command = [process.execPath, "--no-env-file", path.join(import.meta.dir, "../payflow.ts")];
  const supervisor = Bun.spawn([...command, "cluster", "run", "--state", state], {
    cwd: "/",
    env: process.env,
    stdin: "ignore",
    stdout: log,
    stderr: log,
    detached: true,
  });
  console.log(`Starting a cluster in ${folder}`);
  const hasEnded = () => supervisor.exitCode !== null || supervisor.signalCode !== null;
  await readiness(folder, supervisor.pid, hasEnded);
  supervisor.unref();
}

/** Waits until the supervisor of this number says that everything runs. */
async function readiness(folder: string, supervisor: number, hasEnded: () => boolean): Promise<void> {
  for (;;) {
    const record = readRunRecord<ClusterSettings>(folder);
    const isMeant = record?.supervisor.pid === supervisor;
    if (isMeant && record.phase === "running") return;
    if (isMeant && record.phase === "failed") throw new Error(record.problem ?? "It could not start.");
    if (hasEnded()) throw new Error(`The cluster's supervisor ended.\n${logTail(logFileOf(folder))}`);
    await Bun.sleep(50);
  }
}

const logFileOf = (folder: string) => path.join(folder, "logs/supervisor.log");

async function description(folder: string, { port, node }: ClusterSettings): Promise<string> {
  const ofNode = [
    "  ./payflow cluster load <archive>   # brings an image in, such as that of ./payflow image",
    "  ./payflow cluster stores           # how pods reach PostgreSQL, Redis and Kafka",
    "  ./payflow cluster secrets          # the chart's Secrets, for kubectl apply -f -",
  ];
  return [
    `Kubernetes ${kubernetesVersion()} is ready at https://127.0.0.1:${port}`,
    `  export KUBECONFIG=${Bun.$.escape(adminKubeconfig(folder))}`,
    `  alias kubectl=${Bun.$.escape(`${await kubeBinary()} kubectl`)}   # of the same version`,
    ...(node ? ofNode : []),
  ].join("\n");
}

/** Ends the cluster of a state folder, or what a killed one left. Answers whether one was running. */
export async function bringClusterDown(state: string): Promise<boolean> {
  const folder = clusterFolder(state);
  if (!existsSync(folder)) return false;
  const running = runningRecord<ClusterSettings>(folder);
  if (running !== null) await endProcess(running.supervisor, "SIGTERM", supervisorTimeoutMs);
  await endLeftovers(folder);
  removeNodeRemains(folder);
  // A supervisor that had to be killed had perhaps struck a part from its record that was still ending.
  for (const { pid, startedAt, stopSignal } of running?.processes ?? []) {
    if (pid !== null && startedAt !== null) await endProcess({ pid, startedAt }, stopSignal, 10_000);
  }
  return running !== null;
}

/** The path of a kubeconfig that may do everything. Throws before the first `cluster up`. */
export function clusterKubeconfig(state: string): string {
  const file = adminKubeconfig(clusterFolder(state));
  if (!existsSync(file)) throw new Error("There is no cluster yet. Start it with ./payflow cluster up.");
  return file;
}
