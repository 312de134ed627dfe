import { readdirSync } from "node:fs";
import path from "node:path";
import { definedModules, definitionsOf } from "@payflow/one-machine/cluster/chart-tools.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import type { TestCluster } from "@payflow/testkit/kubernetes.ts";

const apply = ["apply", "--server-side", "--force-conflicts"];
const tried = ["--dry-run=server", "--validate=strict"];

/** What the API server of a cluster says of manifests, which it looks at as if it were to store them. */
export class DryRun {
  readonly #cluster: TestCluster;
  readonly #namespace: string;
  /** Documents of which the API server had nothing to say: as nothing is stored, it would not the next time. */
  readonly #taken = new Set<string>();

  constructor(cluster: TestCluster, namespace: string) {
    this.#cluster = cluster;
    this.#namespace = namespace;
  }

  /** Nothing where it takes every document. */
  async problemsOf(manifests: string): Promise<string> {
    const documents = manifests.split(/^---\n/m).filter((one) => /^kind: /m.test(one));
    const fresh = documents.filter((one) => !this.#taken.has(one));
    if (fresh.length === 0) return "";
    const words = [...apply, ...tried, "--filename", "-"];
    const { exitCode, stdout, stderr } = await this.#cluster.kubectl(words, { input: fresh.join("---\n") });
    if (exitCode !== 0 || stderr !== "") return stderr || `kubectl ended with ${exitCode}.`;
    const answered = stdout.trim().split("\n").length;
    if (answered !== fresh.length) return `Of ${fresh.length} documents kubectl sent ${answered}.`;
    for (const one of fresh) this.#taken.add(one);
    return "";
  }

  /** The same of files, or of what kustomize makes of a folder, for a namespace. */
  async problemsOfFiles(how: "--filename" | "--kustomize", place: string): Promise<string> {
    const words = [...apply, ...tried, "--namespace", this.#namespace, how, place];
    const { exitCode, stderr } = await this.#cluster.kubectl(words);
    return exitCode === 0 ? stderr : stderr || `kubectl ended with ${exitCode}.`;
  }
}

/** Makes the resources known that the chart renders: ours, and those of whom it works with. */
export async function defineResources(cluster: TestCluster): Promise<void> {
  const [keda, gateway, prometheus] = await Promise.all(definedModules.map(definitionsOf));
  const ours = path.join(repositoryRoot, "crds");
  const files = [
    ...readdirSync(ours).map((file) => path.join(ours, file)),
    ...["scaledobjects", "triggerauthentications"].map(
      (kind) => `${keda}/config/crd/bases/keda.sh_${kind}.yaml`,
    ),
    `${gateway}/config/crd/standard/gateway.networking.k8s.io_httproutes.yaml`,
    ...["servicemonitors", "prometheusrules"].map(
      (kind) => `${prometheus}/example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`,
    ),
  ].flatMap((file) => ["--filename", file]);
  for (const words of [apply, ["wait", "--for=condition=Established", "--timeout=60s"]]) {
    const { exitCode, stderr } = await cluster.kubectl([...words, ...files]);
    if (exitCode !== 0) throw new Error(stderr);
  }
}
