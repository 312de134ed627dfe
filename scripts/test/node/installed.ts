import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { LoadedImage } from "@payflow/one-machine/cluster/node/images.ts";
import { type TestNodeCluster, testNodeCluster } from "@payflow/testkit/kubernetes/node.ts";
import { chartSecrets } from "../../cluster/chart-secrets.ts";
import { helm, type KubernetesObject, type Values } from "../chart/chart.ts";
import { testedRelease } from "../image/tested-release.ts";
import { shortWaits } from "../platform/traffic.ts";

const apps = ["payment", "ledger", "notifier", "tenant", "fraud", "ingest"] as const;
const ofRelease = "app.kubernetes.io/instance=payflow";

/** PayFlow in a cluster with a node, from the chart and the image of this checkout's own release. */
export class InstalledPayFlow {
  readonly cluster: TestNodeCluster;
  /** As pods of the cluster may call it. */
  readonly image: LoadedImage;
  readonly namespace: string;
  readonly #folder: string;
  /** As it is packaged. */
  readonly #chart: string;
  readonly #urls = new Map<string, string>();
  #postgres = "";
  #adminToken = "";

  private constructor(parts: {
    readonly cluster: TestNodeCluster;
    readonly image: LoadedImage;
    readonly namespace: string;
    readonly folder: string;
    readonly chart: string;
  }) {
    this.cluster = parts.cluster;
    this.image = parts.image;
    this.namespace = parts.namespace;
    this.#folder = parts.folder;
    this.#chart = parts.chart;
  }

  /** Starts the cluster, and prepares a namespace with the image and the Secrets; installs nothing yet. */
  static async prepare(): Promise<InstalledPayFlow> {
    const folder = mkdtempSync(path.join(tmpdir(), "payflow-installed-"));
    const [cluster, { chart, imageArchive }] = await Promise.all([
      testNodeCluster({ hasStores: true }),
      testedRelease(folder),
    ]);
    const [image = { name: "", digest: "" }] = cluster.load(imageArchive);
    const namespace = await restrictedNamespace(cluster, "payflow");
    const made = new InstalledPayFlow({ cluster, image, namespace, folder, chart });
    await made.kubectl(["apply", "-f", "-"], chartSecrets(cluster.folder));
    made.#adminToken = (await made.secret("payflow-platform"))["admin-token"] ?? "";
    return made;
  }

  /** One pod an app but of payment, so that two small processors carry it all. */
  values(differing: Values = {}): Values {
    const { kafkaBrokers } = this.cluster.stores();
    return {
      image: { digest: this.image.digest },
      kafka: { brokers: kafkaBrokers, replication: 1, partitions: 4 },
      defaults: { replicas: 1 },
      operator: { pods: { replicas: 1 } },
      webhooks: { allowPrivate: true },
      ...differing,
      // Tests wait until it is known what became of every lost answer.
      apps: { payment: { replicas: 2, env: shortWaits }, ...(differing.apps ?? {}) },
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
    return this.helm(["install", "payflow", this.#chart, "--wait", "--timeout", "5m"], values);
  }

  upgrade(values: Values, ...words: string[]): Promise<string> {
    return this.helm(["upgrade", "payflow", this.#chart, "--wait", "--timeout", "5m", ...words], values);
  }

  async kubectl(words: readonly string[], objects?: unknown): Promise<string> {
    const input = objects === undefined ? {} : { input: JSON.stringify(objects) };
    const done = await this.cluster.kubectl(["--namespace", this.namespace, ...words], input);
    if (done.exitCode !== 0) throw new Error(`kubectl ${words.join(" ")}: ${done.stderr}`);
    return done.stdout.trim();
  }

  /** What is at a path below the namespace's: `pods`, `secrets/name`. Throws where there is nothing. */
  async read(below: string): Promise<KubernetesObject> {
    const answer = await this.cluster.request("GET", `/api/v1/namespaces/${this.namespace}/${below}`);
    if (answer.status !== 200) throw new Error(`${below}: ${answer.body.message ?? answer.status}`);
    return answer.body;
  }

  /** What a Secret holds, decoded. */
  async secret(name: string): Promise<Record<string, string>> {
    const { data } = await this.read(`secrets/${name}`);
    const decoded = Object.entries(data).map(([key, value]) => [
      key,
      Buffer.from(String(value), "base64").toString("utf8"),
    ]);
    return Object.fromEntries(decoded);
  }

  /** Opens ways to the apps' services, by which the cluster's own proxy chooses a pod, and to PostgreSQL. */
  async open(): Promise<void> {
    const ways = apps.map(async (app) => {
      const { spec } = await this.read(`services/payflow-${app}`);
      const { port } = spec.ports.find(({ name }: { name: string }) => name === "http");
      this.#urls.set(app, await this.cluster.forward(`${spec.clusterIP}:${port}`));
    });
    const postgres = this.cluster.forward(new URL(this.cluster.stores().postgres).host);
    [this.#postgres] = await Promise.all([postgres, ...ways]);
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

  /** Of one app, or of the whole release. */
  async pods(app?: string): Promise<KubernetesObject[]> {
    const selector = app === undefined ? ofRelease : `${ofRelease},app.kubernetes.io/component=${app}`;
    return (await this.read(`pods?labelSelector=${encodeURIComponent(selector)}`)).items;
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

/** A new namespace whose pods must be confined as strictly as Kubernetes can demand. */
export async function restrictedNamespace(cluster: TestNodeCluster, prefix: string): Promise<string> {
  const namespace = await cluster.namespace(prefix);
  const enforced = { metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } } };
  await cluster.request("PATCH", `/api/v1/namespaces/${namespace}`, enforced);
  return namespace;
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
