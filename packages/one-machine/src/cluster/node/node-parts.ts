import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ProcessSpec } from "../../processes/child.ts";
import { clusterCertificates } from "../certificates.ts";
import type { ContainerTools } from "./container-tools.ts";
import { containerdSocket, nodeAddress, nodeName, stateInside } from "./node-address.ts";
import { nodeCertificates, partKubeconfig } from "./node-certificates.ts";
import { type NodeSettingsFiles, writeNodeSettings } from "./node-settings.ts";

/** A node's programs, which run inside its namespaces. */
export interface LocalNode {
  /** Of the whole cluster; certificates, settings and logs are in it. */
  readonly folder: string;
  /** `https://127.0.0.1:port`. */
  readonly server: string;
  /** From `nodeBinary`. */
  readonly binary: string;
  readonly tools: ContainerTools;
}

/** What there is to run, once the API is there; containerd may be started before. */
export interface NodeParts {
  readonly containerd: ProcessSpec;
  readonly scheduler: ProcessSpec;
  readonly nameServer: ProcessSpec;
  readonly kubelet: ProcessSpec;
  readonly proxy: ProcessSpec;
}

/** Writes what the parts are told, and says how they are run. */
export function nodeParts(local: LocalNode): NodeParts {
  const { folder, server, tools } = local;
  const certificates = nodeCertificates(folder, server);
  const files = writeNodeSettings({
    folder: path.join(stateInside, "node"),
    runc: tools.runc,
    pluginFolder: tools.pluginFolder,
    certificates,
    proxyKubeconfig: partKubeconfig(folder, "kube-proxy"),
  });
  return {
    containerd: containerd(local, files),
    scheduler: scheduler(local),
    nameServer: nameServer(local),
    kubelet: kubelet(local, files),
    proxy: proxy(local, files),
  };
}

function program(
  { folder, binary, tools }: LocalNode,
  name: string,
  words: readonly string[],
  isReady: () => Promise<boolean>,
): ProcessSpec {
  return {
    name,
    command: name === "containerd" ? words : [binary, name, ...words],
    env: { LC_ALL: "C", TZ: "UTC", HOME: folder, ...tools.environment },
    cwd: "/",
    logFile: path.join(folder, "logs", `${name}.log`),
    user: null,
    stopSignal: "SIGTERM",
    stopTimeoutMs: 10_000,
    isReady,
  };
}

function containerd(local: LocalNode, files: NodeSettingsFiles): ProcessSpec {
  const { ctr, environment } = local.tools;
  const answers = () =>
    spawnSync(ctr, ["--address", containerdSocket, "version"], { env: { ...environment } }).status === 0;
  return program(local, "containerd", [local.tools.containerd, "--config", files.containerd], async () =>
    // Asking costs a process, which is in vain before the socket is there.
    existsSync(containerdSocket) ? answers() : false,
  );
}

function scheduler(local: LocalNode): ProcessSpec {
  const kubeconfig = partKubeconfig(local.folder, "kube-scheduler");
  const flags = [
    ...[`--kubeconfig=${kubeconfig}`, "--leader-elect=false", "--profiling=false"],
    ...["--authentication-skip-lookup=true", `--authorization-kubeconfig=${kubeconfig}`],
    ...["--bind-address=127.0.0.1", "--secure-port=10259"],
    ...[`--cert-dir=${path.join(local.folder, "run")}`],
  ];
  return program(local, "kube-scheduler", flags, () => answersOk("https://127.0.0.1:10259/healthz"));
}

function nameServer(local: LocalNode): ProcessSpec {
  // Services and what is behind them are all that the proxy may read, too.
  const kubeconfig = partKubeconfig(local.folder, "kube-proxy");
  const flags = ["--kubeconfig", kubeconfig, "--listen", `${nodeAddress}:53`];
  return program(local, "cluster-dns", flags, async () => isListening(53));
}

function kubelet(local: LocalNode, files: NodeSettingsFiles): ProcessSpec {
  const flags = [
    ...[`--config=${files.kubelet}`, `--kubeconfig=${partKubeconfig(local.folder, "kubelet")}`],
    ...[`--hostname-override=${nodeName}`, `--node-ip=${nodeAddress}`],
    `--root-dir=${path.join(stateInside, "node/kubelet")}`,
  ];
  return program(local, "kubelet", flags, () => isNodeReady(local));
}

function proxy(local: LocalNode, files: NodeSettingsFiles): ProcessSpec {
  return program(local, "kube-proxy", [`--config=${files.proxy}`], () =>
    answersOk("http://127.0.0.1:10256/livez"),
  );
}

/** Whether the API says of the node that pods may come. */
async function isNodeReady({ folder, server }: LocalNode): Promise<boolean> {
  const { authority, admin } = clusterCertificates(path.join(folder, "certificates"));
  const [ca, cert, key] = [authority, admin.certificate, admin.key].map((file) => readFileSync(file, "utf8"));
  const answer = await fetch(`${server}/api/v1/nodes/${nodeName}`, { tls: { ca, cert, key } });
  if (!answer.ok) return false;
  // As the API documents it.
  const { status } = (await answer.json()) as {
    status: { conditions?: { type: string; status: string; lastHeartbeatTime: string }[] };
  };
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  // A node that was there before still has the condition of then.
  const isOfNow = Date.parse(ready?.lastHeartbeatTime ?? "") > Date.now() - performance.now();
  return ready?.status === "True" && isOfNow;
}

/** The health of a part on loopback, whose certificate is its own. */
async function answersOk(url: string): Promise<boolean> {
  const options = { tls: { rejectUnauthorized: false }, signal: AbortSignal.timeout(3_000) };
  const answer = await fetch(url, options);
  await answer.arrayBuffer();
  return answer.ok;
}

function isListening(udpPort: number): boolean {
  const port = udpPort.toString(16).toUpperCase().padStart(4, "0");
  return readFileSync("/proc/net/udp", "utf8").includes(`:${port} `);
}
