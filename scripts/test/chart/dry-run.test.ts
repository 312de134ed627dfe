import { beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import path from "node:path";
import { definedModules, definitionsOf, helmBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { type TestCluster, testCluster } from "@payflow/testkit/kubernetes.ts";
import { examples, template } from "./chart.ts";
import { valueSets } from "./value-sets.ts";

const buildMs = 30 * 60_000;
const patienceMs = 600_000;
let cluster: TestCluster;
let namespace: string;

beforeAll(async () => {
  await helmBinary();
  cluster = await testCluster();
  namespace = await cluster.namespace("chart");
  const restricted = { metadata: { labels: standard("enforce", "warn") } };
  expect((await cluster.request("PATCH", `/api/v1/namespaces/${namespace}`, restricted)).status).toBe(200);
  await defineResources();
  for (const name of ["shops", "stalls"]) {
    await cluster.request("POST", "/api/v1/namespaces", { metadata: { name } });
  }
}, buildMs);

/** The API server refuses pods that do not hold to the restricted standard, and warns of what would make some. */
function standard(...how: string[]): Record<string, string> {
  return Object.fromEntries(how.map((one) => [`pod-security.kubernetes.io/${one}`, "restricted"]));
}

async function defineResources(): Promise<void> {
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
  ];
  const words = [
    "apply",
    "--server-side",
    "--force-conflicts",
    ...files.flatMap((file) => ["--filename", file]),
  ];
  expect(await cluster.kubectl(words)).toMatchObject({ exitCode: 0 });
  const wait = ["wait", "--for=condition=Established", "--timeout=60s"];
  expect(await cluster.kubectl([...wait, ...files.flatMap((file) => ["--filename", file])])).toMatchObject({
    exitCode: 0,
  });
}

const dryRun = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"];

test("there are at least forty of them", () => {
  expect(valueSets.length).toBeGreaterThanOrEqual(40);
});

test.each(valueSets.map((set) => [set.name, set] as const))(
  "%s: the API server takes all of it, and has nothing to say of it",
  async (_, { values, files = [] }) => {
    const rendered = await template(values, { namespace, files });
    expect(rendered.problem).toBe("");
    const answer = await cluster.kubectl([...dryRun, "--filename", "-"], { input: rendered.text });
    expect(answer).toMatchObject({ exitCode: 0, stderr: "" });
  },
  patienceMs,
);

test(
  "a field that Kubernetes does not know would not go unseen",
  async () => {
    const { text } = await template(valueSets[0]?.values ?? {}, { namespace });
    const wrong = text.replaceAll("maxUnavailable: 0", "maxUnavailabel: 0");
    const answer = await cluster.kubectl([...dryRun, "--namespace", namespace, "--filename", "-"], {
      input: wrong,
    });
    expect(answer.exitCode).not.toBe(0);
    expect(answer.stderr).toContain("maxUnavailabel");
  },
  patienceMs,
);

test.each(["resources", "kustomize/staging", "kustomize/production"])(
  "the example %s is taken by the API server",
  async (folder) => {
    const how = folder.startsWith("kustomize") ? "--kustomize" : "--filename";
    const words = [...dryRun, "--namespace", namespace, how, path.join(examples, folder)];
    expect(await cluster.kubectl(words)).toMatchObject({ exitCode: 0, stderr: "" });
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
