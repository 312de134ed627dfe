import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestNodeCluster, testNodeCluster } from "@payflow/testkit/kubernetes/node.ts";
import { chartSecrets } from "../../cluster/chart-secrets.ts";
import { buildImage } from "../../release/image/build-image.ts";
import { chartFolder, helm, type KubernetesObject, type Values } from "../chart/chart.ts";

const apps = ["payment", "ledger", "notifier", "tenant", "fraud", "ingest"] as const;

export type App = (typeof apps)[number];

/** PayFlow in a cluster with a node, from the chart and this checkout's own image. */
export class InstalledPayFlow {
  readonly cluster: TestNodeCluster;
  readonly namespace: string;
  readonly #folder: string;
  readonly #digest: string;
  readonly #urls = new Map<string, string>();
  #postgres = "";
  #adminToken = "";

  private constructor(cluster: TestNodeCluster, namespace: string, folder: string, digest: string) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.#folder = folder;
    this.#digest = digest;
  }

  /** Starts the cluster, and prepares a namespace with the image and the Secrets; installs nothing yet. */
  static async prepare(): Promise<InstalledPayFlow> {
    const folder = mkdtempSync(path.join(tmpdir(), "payflow-installed-"));
    const archive = path.join(folder, "image.tar");
    const [cluster] = await Promise.all([testNodeCluster({ hasStores: true }), buildImage(archive)]);
    const [image] = cluster.load(archive);
    const namespace = await cluster.namespace("payflow");
    const enforced = { metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } } };
    await cluster.request("PATCH", `/api/v1/namespaces/${namespace}`, enforced);
    const made = new InstalledPayFlow(cluster, namespace, folder, image?.digest ?? "");
    await made.kubectl(["apply", "-f", "-"], chartSecrets(cluster.folder));
    made.#adminToken = (await made.secret("payflow-platform"))["admin-token"] ?? "";
    return made;
  }

  /** One pod an app but of payment, so that two small processors carry it all. */
  values(differing: Values = {}): Values {
    const { kafkaBrokers } = this.cluster.stores();
    return {
      image: { digest: this.#digest },
      kafka: { brokers: kafkaBrokers, replication: 1, partitions: 4 },
      defaults: { replicas: 1 },
      operator: { pods: { replicas: 1 } },
      webhooks: { allowPrivate: true },
      ...differing,
      apps: { payment: { replicas: 2 }, ...(differing.apps ?? {}) },
    };
  }

  /** Throws what Helm says when it refuses or gives up. */
  async helm(words: readonly string[], values?: Values): Promise<string> {
    const own = ["--kubeconfig", this.cluster.kubeconfig, "--namespace", this.namespace];
    const given = values === undefined ? [] : ["--values", "-"];
    const { exitCode, text, problem } = await helm(
      [...words, ...given, ...own],
      values === undefined ? "" : JSON.stringify(values),
      {
        ...{ HELM_CACHE_HOME: path.join(this.#folder, "cache") },
        ...{ HELM_CONFIG_HOME: path.join(this.#folder, "config") },
        ...{ HELM_DATA_HOME: path.join(this.#folder, "data") },
      },
    );
    if (exitCode !== 0) throw new Error(problem);
    return text;
  }

  install(values: Values = this.values()): Promise<string> {
    return this.helm(["install", "payflow", chartFolder, "--wait", "--timeout", "5m"], values);
  }

  upgrade(values: Values, ...words: string[]): Promise<string> {
    return this.helm(["upgrade", "payflow", chartFolder, "--wait", "--timeout", "5m", ...words], values);
  }

  async kubectl(words: readonly string[], objects?: unknown): Promise<string> {
    const input = objects === undefined ? {} : { input: JSON.stringify(objects) };
    const done = await this.cluster.kubectl(["--namespace", this.namespace, ...words], input);
    if (done.exitCode !== 0) throw new Error(`kubectl ${words.join(" ")}: ${done.stderr}`);
    return done.stdout.trim();
  }

  async read(kind: string, ...words: readonly string[]): Promise<KubernetesObject> {
    return JSON.parse(await this.kubectl(["get", kind, ...words, "--output", "json"]));
  }

  /** What a Secret holds, decoded. */
  async secret(name: string): Promise<Record<string, string>> {
    const { data } = await this.read("secret", name);
    const decoded = Object.entries(data).map(([key, value]) => [
      key,
      Buffer.from(String(value), "base64").toString("utf8"),
    ]);
    return Object.fromEntries(decoded);
  }

  /** Opens ways to the apps' services, by which the cluster's own proxy chooses a pod, and to PostgreSQL. */
  async open(): Promise<void> {
    for (const app of apps) {
      const { spec } = await this.read("service", `payflow-${app}`);
      const { port } = spec.ports.find(({ name }: { name: string }) => name === "http");
      this.#urls.set(app, await this.cluster.forward(`${spec.clusterIP}:${port}`));
    }
    this.#postgres = await this.cluster.forward(new URL(this.cluster.stores().postgres).host);
  }

  /** The platform owner's. */
  get adminToken(): string {
    return this.#adminToken;
  }

  /** Of an app's public routes, from here. */
  url(app: string): string {
    const url = this.#urls.get(app);
    if (url === undefined) throw new Error(`No way to ${app} was opened.`);
    return url;
  }

  /** Of a database as the superuser, from here. */
  databaseUrl(name: string): string {
    const url = new URL(this.cluster.stores().postgres);
    url.host = new URL(this.#postgres).host;
    url.pathname = `/payflow_${name}`;
    return url.href;
  }

  async pods(app: string): Promise<KubernetesObject[]> {
    const selector = `app.kubernetes.io/instance=payflow,app.kubernetes.io/component=${app}`;
    return (await this.read("pods", "--selector", selector)).items;
  }

  /** Kills the processes of a pod's containers, which the kubelet is not told. */
  killPod(pod: KubernetesObject): void {
    const uid = String(pod.metadata.uid);
    const killed = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && isProgramOf(pid, uid));
    if (killed.length === 0) throw new Error(`${pod.metadata.name} has no process.`);
    for (const pid of killed) process.kill(Number(pid), "SIGKILL");
  }

  async close(): Promise<void> {
    await this.cluster.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function isProgramOf(pid: string, podUid: string): boolean {
  try {
    const isInPod = readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`pod${podUid}/`);
    return isInPod && !readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("/pause");
  } catch {
    // It has ended in the meantime.
    return false;
  }
}
