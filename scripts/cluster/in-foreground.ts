import path from "node:path";
import { Cluster, clusterPorts } from "@payflow/one-machine/cluster/cluster.ts";
import { kubeBinary } from "@payflow/one-machine/cluster/kube-binary.ts";
import { NodeCluster } from "@payflow/one-machine/cluster/node/node-cluster.ts";
import {
  endLeftovers,
  lockState,
  type RunRecord,
  removeRunRecord,
  unlockState,
  writeRunRecord,
} from "@payflow/one-machine/installation/state.ts";
import { identify } from "@payflow/one-machine/processes/child.ts";
import { rotateLogs } from "@payflow/one-machine/processes/log-rotation.ts";
import type { ClusterSettings } from "./settings.ts";

/** Runs the cluster of this folder in this process until SIGTERM, SIGINT or SIGHUP. */
export async function runCluster(folder: string, settings: ClusterSettings): Promise<void> {
  lockState(folder);
  await endLeftovers(folder);
  const state: Pick<RunRecord, "phase" | "problem"> = { phase: "starting", problem: null };
  const cluster: AnyCluster = await prepare(folder, settings, () => record(folder, settings, cluster, state));
  const ended = endOnSignal();
  rotateLogs(path.join(folder, "logs"));
  try {
    const isReady = cluster.start().then(() => true);
    if (await Promise.race([isReady, ended.then(() => false)])) {
      Object.assign(state, { phase: "running" });
      record(folder, settings, cluster, state);
    }
    await ended;
    await cluster.stop();
    removeRunRecord(folder);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    record(folder, settings, cluster, { phase: "failed", problem });
    throw error;
  } finally {
    unlockState(folder);
  }
}

type AnyCluster = Cluster | NodeCluster;

async function prepare(
  folder: string,
  { port, node }: ClusterSettings,
  onChange: () => void,
): Promise<AnyCluster> {
  const usual = { folder, isDurable: true, isAudited: false };
  if (node) return new NodeCluster({ ...usual, port, hasStores: true }, onChange);
  return new Cluster({ ...usual, binary: await kubeBinary(), ports: clusterPorts(port) }, onChange);
}

function endOnSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => resolve());
  });
}

function record(
  folder: string,
  settings: ClusterSettings,
  cluster: AnyCluster,
  state: Pick<RunRecord, "phase" | "problem">,
): void {
  const supervisor = identify(process.pid);
  if (supervisor === null) return;
  const processes = cluster.processes().map((one) => ({ ...one, stopSignal: "SIGTERM" as const }));
  try {
    writeRunRecord(folder, { ...state, supervisor, settings, processes, changes: 0 });
  } catch (error) {
    // A full disk must not end the cluster.
    console.error(`payflow: the run record could not be written: ${error}`);
  }
}
