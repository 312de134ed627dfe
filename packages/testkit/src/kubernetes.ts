import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { adminKubeconfig, Cluster } from "@payflow/one-machine/cluster/cluster.ts";
import { type ClusterPart, clusterParts } from "@payflow/one-machine/cluster/control-plane.ts";
import { kubeBinary } from "@payflow/one-machine/cluster/kube-binary.ts";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import type { CommandResult } from "@payflow/one-machine/processes/run-command.ts";
import { createServiceAccount, type TestServiceAccount, type WantedAccount } from "./kubernetes/accounts.ts";
import { AuditLog } from "./kubernetes/audit-log.ts";
import { type ApiAnswer, ClusterApi } from "./kubernetes/cluster-api.ts";
import { type KubectlOptions, runKubectl } from "./kubernetes/kubectl.ts";
import { beforeRemoval, temporaryFolder } from "./temporary-folder.ts";

/** A real API server with CEL, RBAC, server-side apply and the controllers behind it; without nodes. */
export interface TestCluster {
  /** The file of somebody who may do everything. */
  readonly kubeconfig: string;
  /** `https://127.0.0.1:port`. */
  readonly server: string;
  /** The authority's certificate, in PEM form. */
  readonly authority: string;
  /** Which requests the API server got. */
  readonly audit: AuditLog;
  /** A request as somebody who may do everything; refusals are answers. */
  request(method: string, path: string, body?: unknown): Promise<ApiAnswer>;
  /** kubectl of the server's version, as somebody who may do everything unless told otherwise. */
  kubectl(words: readonly string[], options?: KubectlOptions): Promise<CommandResult>;
  /** Makes a namespace with a name of its own, and waits until its `default` ServiceAccount is there. */
  namespace(prefix?: string): Promise<string>;
  /** Makes a ServiceAccount that may do this and no more. */
  serviceAccount(wanted: WantedAccount): Promise<TestServiceAccount>;
}

export interface OwnTestCluster extends TestCluster {
  /** Ends a part, or all of it, by a kill when left out; its data stay for `start`. */
  stop(part?: ClusterPart, signal?: NodeJS.Signals): Promise<void>;
  /** Starts what was stopped, and waits until it works. */
  start(part?: ClusterPart): Promise<void>;
  /** Sends a signal, such as SIGSTOP. */
  signal(part: ClusterPart, signal: NodeJS.Signals): void;
}

let shared: Promise<TestCluster> | undefined;

/**
 * A cluster that other tests use at the same time: namespaces and cluster-wide objects need names of their
 * own. It is the one that PAYFLOW_TEST_KUBECONFIG names, else one that lives as long as this process.
 */
export async function testCluster(): Promise<TestCluster> {
  const given = process.env.PAYFLOW_TEST_KUBECONFIG;
  if (given !== undefined && given !== "") return describeCluster(given);
  shared ??= ownTestCluster().then((cluster) => {
    // Test files of one process do not share modules, but they share the environment.
    process.env.PAYFLOW_TEST_KUBECONFIG = cluster.kubeconfig;
    return cluster;
  });
  return shared;
}

/**
 * A cluster of the caller's own, whose parts may be killed: it takes some seconds to start, and 0.5 GB of
 * memory. It ends with this process.
 */
export async function ownTestCluster(): Promise<OwnTestCluster> {
  const folder = path.join(temporaryFolder(), `cluster-${randomBytes(4).toString("hex")}`);
  const binary = await kubeBinary();
  const ports = {
    api: await reservePort(),
    controllerManager: await reservePort(),
    etcd: await reservePort(),
    etcdPeers: await reservePort(),
  };
  const cluster = new Cluster({ folder, binary, ports, isDurable: false, isAudited: true });
  beforeRemoval(() => cluster.killAll());
  await cluster.start();
  return {
    ...describeCluster(adminKubeconfig(folder)),
    stop: async (part, signal = "SIGKILL") => {
      const parts = part === undefined ? clusterParts.toReversed() : [part];
      for (const one of parts) await cluster.stopPart(one, signal);
    },
    start: async (part) => {
      for (const one of part === undefined ? clusterParts : [part]) await cluster.startPart(one);
    },
    signal: (part, signal) => cluster.kill(part, signal),
  };
}

/** The API that this kubeconfig leads to, as tests use it. */
export function describeCluster(kubeconfig: string): TestCluster {
  if (!existsSync(kubeconfig)) throw new Error(`There is no kubeconfig at ${kubeconfig}.`);
  const api = new ClusterApi(readFileSync(kubeconfig, "utf8"));
  return {
    kubeconfig,
    server: api.server,
    authority: api.authority,
    audit: new AuditLog(path.dirname(kubeconfig), api),
    request: (method, target, body) => api.request(method, target, body),
    kubectl: (words, options) => runKubectl(kubeconfig, words, options),
    namespace: (prefix) => createNamespace(api, prefix),
    serviceAccount: (wanted) => createServiceAccount(api, wanted),
  };
}

async function createNamespace(api: ClusterApi, prefix = "test"): Promise<string> {
  const name = `${prefix}-${randomBytes(5).toString("hex")}`;
  await api.create("/api/v1/namespaces", { metadata: { name } });
  // The controller manager makes it a moment later, and pods and tokens need it.
  await api.present(`/api/v1/namespaces/${name}/serviceaccounts/default`);
  return name;
}
