import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  adminKubeconfig,
  Cluster,
  clusterFolder,
  operatorNamespace,
} from "@payflow/one-machine/cluster/cluster.ts";
import { kubeBinary } from "@payflow/one-machine/cluster/kube-binary.ts";
import { operator } from "@payflow/one-machine/installation/apps.ts";
import { removeState } from "@payflow/one-machine/installation/remove-state.ts";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { AuditLog } from "@payflow/testkit/kubernetes/audit-log.ts";
import { ClusterApi } from "@payflow/testkit/kubernetes/cluster-api.ts";
import { KubernetesClient } from "../../../operator/src/kubernetes/client/client.ts";
import { kubeconfigAccess } from "../../../operator/src/kubernetes/client/cluster-access.ts";
import { createTransport } from "../../../operator/src/kubernetes/client/transport.ts";
import { partOfPlatform } from "../../bench/measure/part-of-platform.ts";
import { installOperator, kubectl } from "../install-operator.ts";

export const logger = createLogger("bench", "error");

/** As RBAC and the audit log name the operator. */
export const operatorUser = `system:serviceaccount:${operatorNamespace}:payflow-operator`;

/** A real API server, the apps that resources become something in, and the operator. */
export interface Workplace {
  readonly installation: RunningInstallation;
  /** As somebody who may do everything. */
  readonly client: KubernetesClient;
  readonly audit: AuditLog;
  kubectl(words: readonly string[], input?: string): Promise<string>;
  /** The cluster's own processes. */
  clusterProcesses(): { readonly name: string; readonly pid: number }[];
  /** The operator's process number; 0 while it does not run. */
  operatorPid(): number;
  /** The operator's metrics; empty while it does not answer. */
  operatorMetrics(): Promise<string>;
  stop(): Promise<void>;
}

/** Starts everything but the operator, which waits for `startApp`. */
export async function startWorkplace(): Promise<Workplace> {
  const state = mkdtempSync(path.join(tmpdir(), "payflow-bench-"));
  const folder = clusterFolder(state);
  const ports = {
    api: await reservePort(),
    controllerManager: await reservePort(),
    etcd: await reservePort(),
    etcdPeers: await reservePort(),
  };
  const binary = await kubeBinary();
  const cluster = new Cluster({ folder, binary, ports, isDurable: true, isAudited: true });
  const discard = async () => {
    await cluster.stop();
    removeState(state);
  };
  const installation = await startApps(state, cluster).catch(async (error: unknown) => {
    await discard();
    throw error;
  });
  const named = (processes: readonly { readonly name: string; readonly pid: number | null }[]) =>
    processes.flatMap(({ name, pid }) => (pid === null ? [] : [{ name, pid }]));
  const pid = () => installation.installation.process(operator.name)?.pid ?? 0;
  const access = await kubeconfigAccess(adminKubeconfig(folder));
  const metrics = new Metrics("bench");
  return {
    installation,
    client: new KubernetesClient({
      transport: createTransport({ access, userAgent: "payflow-bench", logger, metrics }),
    }),
    audit: new AuditLog(folder, new ClusterApi(readFileSync(adminKubeconfig(folder), "utf8"))),
    kubectl: (words, input) => kubectl(folder, words, input),
    clusterProcesses: () => named(cluster.processes()),
    operatorPid: pid,
    operatorMetrics: () => metricsOf(installation.replicaUrl(operator.name, 1)),
    async stop() {
      await installation.installation.stopApp(operator.name);
      await installation.stop().finally(discard);
    },
  };
}

async function startApps(state: string, cluster: Cluster): Promise<RunningInstallation> {
  await cluster.start();
  await installOperator(clusterFolder(state));
  return startInstallation({
    state,
    platform: partOfPlatform(["tenant", "fraud", "notifier"]),
    env: { LOG_LEVEL: "error" },
  });
}

async function metricsOf(url: string): Promise<string> {
  try {
    return await (await fetch(`${url}/metrics`)).text();
  } catch {
    return "";
  }
}
