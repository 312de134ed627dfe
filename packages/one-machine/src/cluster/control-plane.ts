import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ProcessSpec } from "../processes/child.ts";
import type { KeyPair } from "../programs/openssl.ts";
import { type ClusterCertificates, clusterCertificates } from "./certificates.ts";

/** Of loopback. */
export interface ClusterPorts {
  readonly api: number;
  readonly controllerManager: number;
  readonly etcd: number;
  /** Where etcd would meet others of its kind. */
  readonly etcdPeers: number;
}

export interface LocalCluster {
  /** Holds data, certificates and logs. */
  readonly folder: string;
  /** From `kubeBinary`. */
  readonly binary: string;
  readonly ports: ClusterPorts;
  /** False where only processes die and never the power: then nothing waits for the disk. */
  readonly isDurable: boolean;
  /** Whether each request of a user is written into the audit log. */
  readonly isAudited: boolean;
  /** Flags of parts besides the usual ones, or instead of them. */
  readonly flags?: Readonly<Partial<Record<ClusterPart, ClusterFlags>>>;
}

export type ClusterFlags = Readonly<Record<string, string | number | boolean>>;

/** One line of JSON for each request, where the cluster is audited. */
export const auditLogFile = (folder: string) => path.join(folder, "audit.log");

/** The parts in the order in which they are started. */
export const clusterParts = ["etcd", "kube-apiserver", "kube-controller-manager"] as const;

export type ClusterPart = (typeof clusterParts)[number];

/** How a part of the cluster is run. Makes the certificates at the first call. */
export function clusterProcess(local: LocalCluster, part: ClusterPart): ProcessSpec {
  const certificates = clusterCertificates(path.join(local.folder, "certificates"));
  if (part === "etcd") return etcd(local, certificates);
  return part === "kube-apiserver" ? apiServer(local, certificates) : controllerManager(local, certificates);
}

function program(
  local: LocalCluster,
  name: ClusterPart,
  usual: ClusterFlags,
  isReady: () => Promise<boolean>,
): ProcessSpec {
  const { folder, binary } = local;
  const flags = Object.entries({ ...usual, ...local.flags?.[name] });
  return {
    name,
    command: [binary, name, ...flags.map(([flag, value]) => `--${flag}=${value}`)],
    env: { LC_ALL: "C", TZ: "UTC", HOME: folder },
    cwd: folder,
    logFile: path.join(folder, "logs", `${name}.log`),
    user: null,
    stopSignal: "SIGTERM",
    stopTimeoutMs: 10_000,
    isReady,
  };
}

/** Secrets lie in it unencrypted: whoever has no certificate of the authority is not let in. */
function etcd(local: LocalCluster, { authority, server }: ClusterCertificates): ProcessSpec {
  const { folder, ports, isDurable } = local;
  const clients = `https://127.0.0.1:${ports.etcd}`;
  const peers = `https://127.0.0.1:${ports.etcdPeers}`;
  const flags = {
    name: "etcd",
    "data-dir": path.join(folder, "etcd"),
    "listen-client-urls": clients,
    "advertise-client-urls": clients,
    "listen-peer-urls": peers,
    "initial-advertise-peer-urls": peers,
    "initial-cluster": `etcd=${peers}`,
    "client-cert-auth": true,
    "trusted-ca-file": authority,
    "cert-file": server.certificate,
    "key-file": server.key,
    "peer-client-cert-auth": true,
    "peer-trusted-ca-file": authority,
    "peer-cert-file": server.certificate,
    "peer-key-file": server.key,
    "log-level": "warn",
    "unsafe-no-fsync": !isDurable,
  };
  const isReady = () => answersOk(`${clients}/health`, authority, server);
  return program(local, "etcd", flags, isReady);
}

function apiServer(local: LocalCluster, certificates: ClusterCertificates): ProcessSpec {
  const { folder, ports } = local;
  const { authority, server, admin, serviceAccounts } = certificates;
  const flags = {
    "bind-address": "127.0.0.1",
    "advertise-address": "127.0.0.1",
    "secure-port": ports.api,
    // Nobody reaches this server by the address of a service, since there are no nodes.
    "endpoint-reconciler-type": "none",
    "service-cluster-ip-range": "10.96.0.0/16",
    "etcd-servers": `https://127.0.0.1:${ports.etcd}`,
    "etcd-cafile": authority,
    "etcd-certfile": server.certificate,
    "etcd-keyfile": server.key,
    "tls-cert-file": server.certificate,
    "tls-private-key-file": server.key,
    "client-ca-file": authority,
    "authorization-mode": "Node,RBAC",
    "enable-admission-plugins": "NodeRestriction",
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": serviceAccounts.certificate,
    "service-account-signing-key-file": serviceAccounts.key,
    "allow-privileged": true,
    profiling: false,
    "cert-dir": path.join(folder, "run"),
    ...(local.isAudited ? auditFlags(folder) : {}),
  };
  const isReady = () => answersOk(`https://127.0.0.1:${ports.api}/readyz`, authority, admin);
  // Asked to end together with its etcd, it waits for that for ever; it holds nothing itself.
  return { ...program(local, "kube-apiserver", flags, isReady), deathSignal: "SIGKILL" };
}

function controllerManager(local: LocalCluster, certificates: ClusterCertificates): ProcessSpec {
  const { folder, ports } = local;
  const { authority, server, admin, serviceAccounts } = certificates;
  const kubeconfig = path.join(folder, "controller-manager.kubeconfig");
  const flags = {
    kubeconfig,
    "authorization-kubeconfig": kubeconfig,
    // Told here whom to believe, it does not look for an aggregator's authority, which this cluster lacks.
    "authentication-skip-lookup": true,
    "client-ca-file": authority,
    "bind-address": "127.0.0.1",
    "secure-port": ports.controllerManager,
    "tls-cert-file": server.certificate,
    "tls-private-key-file": server.key,
    "leader-elect": false,
    "use-service-account-credentials": true,
    "service-account-private-key-file": serviceAccounts.key,
    "root-ca-file": authority,
    profiling: false,
    "cert-dir": path.join(folder, "run"),
  };
  // It makes the ServiceAccounts that every namespace has; before that, it has not begun to work.
  const account = `https://127.0.0.1:${ports.api}/api/v1/namespaces/default/serviceaccounts/default`;
  const healthz = `https://127.0.0.1:${ports.controllerManager}/healthz`;
  const isReady = async () =>
    (await answersOk(healthz, authority, admin)) && (await answersOk(account, authority, admin));
  return program(local, "kube-controller-manager", flags, isReady);
}

const ownParts = ["apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"];

/** What the cluster's own parts ask for is left out, and whatever any request or answer holds. */
const auditPolicy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived", "ResponseStarted"],
  rules: [
    { level: "None", users: ownParts.map((name) => `system:${name}`) },
    { level: "None", userGroups: ["system:serviceaccounts:kube-system", "system:nodes"] },
    { level: "None", nonResourceURLs: ["*"] },
    { level: "Metadata" },
  ],
};

function auditFlags(folder: string): Record<string, string | number> {
  const policy = path.join(folder, "audit-policy.json");
  mkdirSync(folder, { recursive: true });
  writeFileSync(policy, JSON.stringify(auditPolicy));
  return {
    "audit-policy-file": policy,
    "audit-log-path": auditLogFile(folder),
    // Whoever counts requests reads one file from its beginning.
    "audit-log-maxsize": 4_000,
  };
}

async function answersOk(url: string, authority: string, client: KeyPair): Promise<boolean> {
  const [ca, cert, key] = [authority, client.certificate, client.key].map((file) =>
    readFileSync(file, "utf8"),
  );
  const answer = await fetch(url, { tls: { ca, cert, key }, signal: AbortSignal.timeout(3_000) });
  await answer.arrayBuffer();
  return answer.ok;
}
