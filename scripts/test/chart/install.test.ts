import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { helmBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type OwnTestCluster, ownTestCluster } from "@payflow/testkit/kubernetes.ts";
import { chartFolder, examples, helm, type KubernetesObject } from "./chart.ts";

const buildMs = 30 * 60_000;
const patienceMs = 180_000;
const folder = mkdtempSync(path.join(tmpdir(), "payflow-install-test-"));
let cluster: OwnTestCluster;
let namespace: string;

// A cluster of its own: uninstalling takes what is cluster-wide away from everybody.
beforeAll(async () => {
  await helmBinary();
  cluster = await ownTestCluster();
  namespace = await cluster.namespace("install");
}, buildMs);
afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
}, patienceMs);

/** Helm with this cluster, and with folders of its own. */
async function run(...words: string[]): Promise<string> {
  const own = ["--kubeconfig", cluster.kubeconfig, "--namespace", namespace];
  const { exitCode, text, problem } = await helm([...words, ...own], "", {
    ...{ HELM_CACHE_HOME: path.join(folder, "cache"), HELM_CONFIG_HOME: path.join(folder, "config") },
    ...{ HELM_DATA_HOME: path.join(folder, "data") },
  });
  if (exitCode !== 0) throw new Error(problem);
  return text;
}

const trial = ["--values", path.join(examples, "values/trial.yaml")];
const install = (...words: string[]) => run("install", "payflow", chartFolder, ...trial, ...words);
const upgrade = (...words: string[]) => run("upgrade", "payflow", chartFolder, ...words);
const kinds =
  "deployments,statefulsets,services,serviceaccounts,networkpolicies,poddisruptionbudgets,configmaps,secrets,roles," +
  "rolebindings,clusterroles,clusterrolebindings,customresourcedefinitions";

async function read(kind: string, name: string): Promise<KubernetesObject> {
  const { stdout } = await cluster.kubectl(["get", kind, name, "--namespace", namespace, "--output", "json"]);
  return JSON.parse(stdout);
}

/** What there is of the release, as KIND/NAME. */
async function ours(): Promise<string[]> {
  const words = ["get", kinds, "--namespace", namespace, "--output", "name"];
  const { stdout } = await cluster.kubectl([...words, "--selector", "app.kubernetes.io/instance=payflow"]);
  return stdout
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .sort();
}

const templateOf = async (app: string) => (await read("deployment", `payflow-${app}`)).spec.template;

test(
  "an installed trial has its secrets made, and is told what to do next",
  async () => {
    const notes = await install();
    for (const word of [
      "helm test payflow",
      "kind: Tenant",
      "for a trial",
      "port-forward",
      "first-api-key",
    ]) {
      expect(notes).toContain(word);
    }
    expect(await ours()).toContain("customresourcedefinition.apiextensions.k8s.io/tenants.payflow.dev");
    const { data } = await read("secret", "payflow-trial");
    expect(Buffer.from(data["admin-token"], "base64").toString()).toMatch(/^\w{48}$/);
  },
  patienceMs,
);

test(
  "an upgrade that changes nothing replaces no pod, and makes no secret anew",
  async () => {
    const before = [await templateOf("payment"), await templateOf("operator")];
    const { data } = await read("secret", "payflow-trial");
    await upgrade(...trial);
    expect([await templateOf("payment"), await templateOf("operator")]).toEqual(before);
    expect((await read("secret", "payflow-trial")).data).toEqual(data);
  },
  patienceMs,
);

test(
  "an upgrade that changes a setting replaces that app's pods, and a rollback brings back what was",
  async () => {
    const before = [await templateOf("payment"), await templateOf("ledger")];
    await upgrade(...trial, "--set-string", "apps.payment.env.FRAUD_TIMEOUT_MS=400");
    expect(await templateOf("payment")).not.toEqual(before[0]);
    expect(await templateOf("ledger")).toEqual(before[1]);
    await run("rollback", "payflow");
    expect([await templateOf("payment"), await templateOf("ledger")]).toEqual(before);
  },
  patienceMs,
);

const replicasOf = async (app: string) => (await read("deployment", `payflow-${app}`)).spec.replicas;

const scale = (replicas: number, ...what: string[]) =>
  cluster.kubectl(["scale", "--namespace", namespace, "--replicas", `${replicas}`, "deployment", ...what]);

test(
  "an upgrade after the apps were stopped by hand brings them back, as many as the values say",
  async () => {
    await scale(0, "--selector", "app.kubernetes.io/instance=payflow");
    expect(await replicasOf("payment")).toBe(0);
    await upgrade(...trial);
    expect([await replicasOf("payment"), await replicasOf("operator")]).toEqual([1, 1]);
  },
  patienceMs,
);

test(
  "an app that was scaled by hand keeps its pods when an autoscaler takes it over, and goes back to Helm by force",
  async () => {
    await scale(4, "payflow-payment");
    await upgrade(...trial, "--set", "apps.payment.autoscaling.kind=hpa");
    expect(await replicasOf("payment")).toBe(4);
    const back = ["--set", "apps.payment.replicas=3"];
    await expect(upgrade(...trial, ...back)).rejects.toThrow("conflict");
    await upgrade(...trial, ...back, "--force-conflicts");
    expect(await replicasOf("payment")).toBe(3);
  },
  patienceMs,
);

test(
  "uninstalling leaves the definitions, the resources and a trial's data, and nothing else; installing again adopts them",
  async () => {
    const tenant = path.join(examples, "resources/tenant.yaml");
    const made = await cluster.kubectl(["apply", "--namespace", namespace, "--filename", tenant]);
    expect(made).toMatchObject({ exitCode: 0 });
    const { data } = await read("secret", "payflow-trial");
    await run("uninstall", "payflow");
    await eventually(
      async () =>
        expect(await ours()).toEqual([
          "customresourcedefinition.apiextensions.k8s.io/fraudpolicies.payflow.dev",
          "customresourcedefinition.apiextensions.k8s.io/tenants.payflow.dev",
          "customresourcedefinition.apiextensions.k8s.io/webhookendpoints.payflow.dev",
          "secret/payflow-trial",
        ]),
      { timeoutMs: 60_000 },
    );
    const { stdout } = await cluster.kubectl(["get", "persistentvolumeclaims", "--namespace", namespace]);
    for (const store of ["postgresql", "redis-durable"]) expect(stdout).toContain(`data-payflow-${store}-0`);
    await install();
    expect((await read("secret", "payflow-trial")).data).toEqual(data);
    expect((await read("tenant", "chai-point")).spec.displayName).toBe("Chai Point");
  },
  patienceMs,
);

test(
  "pods start anew at the next upgrade when a Secret of theirs has changed",
  async () => {
    await run("uninstall", "payflow");
    const secret = (token: string) =>
      cluster.kubectl(["apply", "--namespace", namespace, "--filename", "-"], {
        input: JSON.stringify({
          ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "payflow-platform" } },
          stringData: { "admin-token": token },
        }),
      });
    await secret("one");
    await run("install", "payflow", chartFolder, "--set", "eventBus=redis");
    const first = (await templateOf("payment")).metadata.annotations;
    await upgrade("--set", "eventBus=redis");
    expect((await templateOf("payment")).metadata.annotations).toEqual(first);
    await secret("two");
    await upgrade("--set", "eventBus=redis");
    expect((await templateOf("payment")).metadata.annotations).not.toEqual(first);
  },
  patienceMs,
);
