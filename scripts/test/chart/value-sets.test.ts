import { beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { helmBinary, kubeScoreBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { type TestCluster, testCluster } from "@payflow/testkit/kubernetes.ts";
import { chartFolder, examples, helm, template } from "./chart.ts";
import { DryRun, defineResources } from "./dry-run.ts";
import { explained, explains, findings } from "./score.ts";
import { valueSets } from "./value-sets.ts";

const buildMs = 30 * 60_000;
const patienceMs = 600_000;
const namespace = `chart-${randomBytes(5).toString("hex")}`;
/** What the chart makes of each set. Helm takes a fifth of a second for one, so that it is asked once. */
const rendered = new Map<string, string>();
let cluster: TestCluster;
let kubeScore: string;
let dryRun: DryRun;

beforeAll(async () => {
  await helmBinary();
  kubeScore = await kubeScoreBinary();
  await Promise.all([renderAll(), prepareCluster()]);
  dryRun = new DryRun(cluster, namespace);
}, buildMs);

async function renderAll(): Promise<void> {
  for (const { name, values, files = [] } of valueSets) {
    const { exitCode, text, problem } = await template(values, { namespace, files });
    if (exitCode !== 0) throw new Error(`${name}: ${problem}`);
    rendered.set(name, text);
  }
}

/** Its API server refuses pods that do not hold to the restricted standard, and warns of what would make some. */
async function prepareCluster(): Promise<void> {
  cluster = await testCluster();
  const labels = Object.fromEntries(
    ["enforce", "warn"].map((how) => [`pod-security.kubernetes.io/${how}`, "restricted"]),
  );
  for (const metadata of [{ name: namespace, labels }, { name: "shops" }, { name: "stalls" }]) {
    await cluster.request("POST", "/api/v1/namespaces", { metadata });
  }
  const priority = { metadata: { name: "high" }, value: 1_000 };
  await cluster.request("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", priority);
  await defineResources(cluster);
}

test("there are at least forty of them", () => {
  expect(rendered.size).toBeGreaterThanOrEqual(40);
});

test.each(valueSets.map(({ name }) => name))(
  "%s: the API server takes all of it, and has nothing to say of it",
  async (name) => {
    expect(await dryRun.problemsOf(rendered.get(name) ?? "")).toBe("");
  },
  patienceMs,
);

test(
  "a field that Kubernetes does not know would not go unseen",
  async () => {
    const text = rendered.get("the least") ?? "";
    const wrong = text.replaceAll("maxUnavailable: 0", "maxUnavailabel: 0");
    expect(await dryRun.problemsOf(wrong)).toContain("maxUnavailabel");
  },
  patienceMs,
);

test.each(["resources", "kustomize/staging", "kustomize/production"])(
  "the example %s is taken by the API server",
  async (folder) => {
    const how = folder.startsWith("kustomize") ? "--kustomize" : "--filename";
    expect(await dryRun.problemsOfFiles(how, path.join(examples, folder))).toBe("");
  },
  patienceMs,
);

test(
  "an overlay's prefix is carried on to what refers to the tenant",
  async () => {
    const { stdout } = await cluster.kubectl(["kustomize", path.join(examples, "kustomize/staging")]);
    expect(stdout).toMatch(/tenantRef:\n\s+name: staging-shop/);
  },
  patienceMs,
);

test(
  "kube-score finds nothing that is not explained, and everything explained is found",
  async () => {
    const all: string[] = [];
    for (const { name, values } of valueSets) {
      const found = await findings(kubeScore, rendered.get(name) ?? "");
      // Whoever turns network policies off means it.
      const hasNone = JSON.stringify(values).includes('"networkPolicy":{"enabled":false}');
      all.push(...found.filter((one) => !hasNone || !one.startsWith("pod-networkpolicy ")));
    }
    const strange = all.filter((one) => !explained.some((explanation) => explains(explanation, one)));
    expect([...new Set(strange)]).toEqual([]);
    expect(explained.filter((explanation) => !all.some((one) => explains(explanation, one)))).toEqual([]);
  },
  patienceMs,
);

test(
  "a container that may do anything is found",
  async () => {
    const text = rendered.get("the least") ?? "";
    const open = text.replaceAll("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false");
    const found = await findings(kubeScore, open);
    expect(found.filter((one) => !explained.some((explanation) => explains(explanation, one)))[0]).toContain(
      "container-security-context-readonlyrootfilesystem",
    );
  },
  patienceMs,
);

/** Between them every template renders all that it can. */
const linted = [
  ...["the least", "a trial with kafka", "both, and metrics", "keda with scram and tls"],
  ...["autoscaling by processors", "an operator of two namespaces", "example: trial", "example: aws"],
];

test(
  "the chart passes helm lint, whatever is turned on in it",
  async () => {
    const sets = valueSets.filter(({ name }) => linted.includes(name));
    expect(sets).toHaveLength(linted.length);
    const kindsOf = (names: readonly string[]) =>
      new Set(names.flatMap((name) => rendered.get(name)?.match(/^kind: \w+/gm) ?? []));
    expect(kindsOf(linted)).toEqual(kindsOf([...rendered.keys()]));
    for (const { name, values, files = [] } of sets) {
      const given = [...files, "-"].flatMap((file) => ["--values", file]);
      const words = ["lint", chartFolder, "--strict", "--quiet", ...given];
      expect(await helm(words, JSON.stringify(values)), name).toMatchObject({ exitCode: 0 });
    }
  },
  patienceMs,
);
