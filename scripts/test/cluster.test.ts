import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { clusterFolder } from "@payflow/one-machine/cluster/cluster.ts";
import { kubeBinary, kubernetesVersion } from "@payflow/one-machine/cluster/kube-binary.ts";
import { readRunRecord } from "@payflow/one-machine/installation/state.ts";
import { isAlive } from "@payflow/one-machine/processes/child.ts";
import { isPortFree, releasePortBase, reservePortBase } from "@payflow/one-machine/processes/ports.ts";
import { type CommandResult, runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { eventually } from "@payflow/testkit/eventually.ts";

const folder = mkdtempSync(path.join(tmpdir(), "payflow-cluster-test-"));
const state = path.join(folder, "state");
const patienceMs = 300_000;
const buildMs = 30 * 60_000;
let port = 0;

beforeAll(async () => {
  await kubeBinary();
  port = await reservePortBase();
}, buildMs);
afterAll(async () => {
  await payflow("cluster", "down", "--state", state);
  releasePortBase(port);
  rmSync(folder, { recursive: true, force: true });
}, patienceMs);

const run = (command: readonly string[], input = "") => runCommand(command, { cwd: folder, input });

const payflow = (...words: string[]) => run([path.join(repositoryRoot, "payflow"), ...words]);
const up = (...words: string[]) => payflow("cluster", "up", "--state", state, ...words);
const down = () => payflow("cluster", "down", "--state", state);

async function kubectl(words: readonly string[], input?: string): Promise<CommandResult> {
  const kubeconfig = (await payflow("cluster", "kubeconfig", "--state", state)).output.trim();
  const own = ["--kubeconfig", kubeconfig, "--cache-dir", path.join(folder, "kubectl")];
  return run([await kubeBinary(), "kubectl", ...own, ...words], input);
}

function processes() {
  const record = readRunRecord(clusterFolder(state));
  if (record === null) throw new Error("No cluster is recorded.");
  const children = record.processes.map(({ pid, startedAt }) => ({
    pid: pid ?? 0,
    startedAt: startedAt ?? "",
  }));
  return [record.supervisor, ...children];
}

const recordFile = () => path.join(clusterFolder(state), "running.json");

const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "gates.test.payflow.dev" },
  spec: {
    group: "test.payflow.dev",
    scope: "Namespaced",
    names: { plural: "gates", singular: "gate", kind: "Gate" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                properties: { least: { type: "integer" }, most: { type: "integer" } },
                "x-kubernetes-validations": [
                  { rule: "self.least <= self.most", message: "least is more than most" },
                ],
              },
            },
          },
        },
      },
    ],
  },
};

const gate = (name: string, least: number, most: number) =>
  JSON.stringify({
    apiVersion: "test.payflow.dev/v1",
    kind: "Gate",
    metadata: { name },
    spec: { least, most },
  });

test(
  "cluster up starts a real API server of the pinned version, and a second up finds it running",
  async () => {
    const before = await payflow("cluster", "kubeconfig", "--state", state);
    expect(before).toMatchObject({ exitCode: 1, output: expect.stringContaining("./payflow cluster up") });

    const first = await up("--port", `${port}`);
    expect(first).toMatchObject({ exitCode: 0 });
    expect(first.output).toContain(`https://127.0.0.1:${port}`);
    expect(first.output).toContain("export KUBECONFIG=");
    const running = processes();
    expect(running).toHaveLength(4);
    expect(running.filter(isAlive)).toHaveLength(4);

    const version = await kubectl(["version", "-o", "json"]);
    expect(JSON.parse(version.output).serverVersion.gitVersion).toBe(`v${kubernetesVersion()}`);

    const second = await up();
    expect(second).toMatchObject({ exitCode: 0 });
    expect(second.output).toContain("already running");
    expect(processes()).toEqual(running);
  },
  patienceMs,
);

test(
  "a custom resource is held to its CEL rule",
  async () => {
    expect(await kubectl(["apply", "-f", "-"], JSON.stringify(definition))).toMatchObject({ exitCode: 0 });
    const wait = ["wait", "--for=condition=Established", "crd/gates.test.payflow.dev", "--timeout=30s"];
    expect(await kubectl(wait)).toMatchObject({ exitCode: 0 });
    const right = ["apply", "--server-side", "-f", "-"];
    await eventually(
      async () => expect(await kubectl(right, gate("right", 1, 2))).toMatchObject({ exitCode: 0 }),
      { timeoutMs: 60_000 },
    );
    const wrong = await kubectl(right, gate("wrong", 3, 2));
    expect(wrong.exitCode).not.toBe(0);
    expect(wrong.output).toContain("least is more than most");
  },
  patienceMs,
);

test("neither etcd nor the API lets in whom the cluster does not know", async () => {
  const authority = readFileSync(path.join(clusterFolder(state), "certificates/authority.pem"), "utf8");
  const api = await fetch(`https://127.0.0.1:${port}/api/v1/secrets`, { tls: { ca: authority } });
  expect(api.status).toBe(403);
  const etcd = fetch(`https://127.0.0.1:${port + 2}/version`, { tls: { ca: authority } });
  expect(
    await etcd.then(
      () => "let in",
      () => "refused",
    ),
  ).toBe("refused");
});

test(
  "a part that is killed is started again, and so is the cluster after kill -9 of its supervisor",
  async () => {
    const server = () =>
      readRunRecord(clusterFolder(state))?.processes.find(({ name }) => name === "kube-apiserver");
    const victim = server()?.pid ?? 0;
    process.kill(victim, "SIGKILL");
    await eventually(() => server()?.status === "ready" && server()?.pid !== victim, { timeoutMs: 120_000 });

    const running = processes();
    process.kill(running[0]?.pid ?? 0, "SIGKILL");
    expect(await up()).toMatchObject({ exitCode: 0 });
    expect(running.filter(isAlive)).toBeEmpty();
    expect(await kubectl(["get", "gate", "right"])).toMatchObject({ exitCode: 0 });
  },
  patienceMs,
);

test(
  "cluster down in the middle of starting ends everything, too",
  async () => {
    await down();
    const starting = up();
    await eventually(() => existsSync(recordFile()) && processes().length > 1, {
      timeoutMs: 120_000,
      everyMs: 5,
    });
    const begun = processes();
    expect(await down()).toMatchObject({ exitCode: 0, output: expect.stringContaining("has ended") });
    expect((await starting).exitCode).toBe(1);
    expect(begun.filter(isAlive)).toBeEmpty();
    expect(await Promise.all([0, 1, 2, 3].map((one) => isPortFree(port + one)))).not.toContain(false);
    expect(await up()).toMatchObject({ exitCode: 0 });
  },
  patienceMs,
);

test(
  "cluster down leaves no process, and the next up has the objects still, at the same address",
  async () => {
    const running = processes();
    expect(await down()).toMatchObject({ exitCode: 0, output: expect.stringContaining("has ended") });
    expect(running.filter(isAlive)).toBeEmpty();
    expect(await Promise.all([0, 1, 2, 3].map((one) => isPortFree(port + one)))).not.toContain(false);
    expect(await down()).toMatchObject({ exitCode: 0, output: expect.stringContaining("No cluster") });

    expect(await up()).toMatchObject({ exitCode: 0 });
    const gates = await kubectl(["get", "gates", "-o", "name"]);
    expect(gates.output.trim()).toBe("gate.test.payflow.dev/right");
    const all = processes();
    expect(await payflow("reset", "--yes", "--state", state)).toMatchObject({ exitCode: 0 });
    expect(all.filter(isAlive)).toBeEmpty();
  },
  patienceMs,
);
