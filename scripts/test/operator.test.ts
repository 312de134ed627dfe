import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { clusterFolder } from "@payflow/one-machine/cluster/cluster.ts";
import { kubeBinary } from "@payflow/one-machine/cluster/kube-binary.ts";
import { readRunRecord } from "@payflow/one-machine/installation/state.ts";
import { isAlive } from "@payflow/one-machine/processes/child.ts";
import { releasePortBase, reservePortBase } from "@payflow/one-machine/processes/ports.ts";
import { type CommandResult, runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { eventually } from "@payflow/testkit/eventually.ts";

const folder = mkdtempSync(path.join(tmpdir(), "payflow-operator-test-"));
const state = path.join(folder, "state");
const patienceMs = 300_000;
const buildMs = 30 * 60_000;
const ports = { apps: 0, cluster: 0 };

beforeAll(async () => {
  await kubeBinary();
  ports.apps = await reservePortBase();
  ports.cluster = await reservePortBase();
}, buildMs);
afterAll(async () => {
  await payflow("reset", "--yes");
  for (const port of Object.values(ports)) releasePortBase(port);
  rmSync(folder, { recursive: true, force: true });
}, patienceMs);

const run = (command: readonly string[]) => runCommand(command, { cwd: folder });

const payflow = (...words: string[]) =>
  run([path.join(repositoryRoot, "payflow"), ...words, "--state", state]);

async function kubectl(...words: string[]): Promise<CommandResult> {
  const kubeconfig = (await payflow("cluster", "kubeconfig")).output.trim();
  const own = ["--kubeconfig", kubeconfig, "--cache-dir", path.join(folder, "kubectl")];
  return run([await kubeBinary(), "kubectl", ...own, ...words]);
}

function processes() {
  return [state, clusterFolder(state)].flatMap((one) => {
    const record = readRunRecord(one);
    if (record === null) throw new Error(`Nothing is recorded in ${one}.`);
    const children = record.processes.map(({ pid, startedAt }) => ({
      ...{ pid: pid ?? 0, startedAt: startedAt ?? "" },
    }));
    return [record.supervisor, ...children];
  });
}

/** Every object of ours says of itself that it is ready, and in each the operator has seen the newest spec. */
async function readiness(): Promise<string[]> {
  const { output } = await kubectl("get", "payflow", "-o", "json");
  // As the API server lists them.
  const { items } = JSON.parse(output) as {
    items: {
      kind: string;
      metadata: { generation: number };
      status?: { conditions?: { type: string; status: string; observedGeneration: number }[] };
    }[];
  };
  return items.map(({ kind, metadata, status }) => {
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    const isOfNow = ready?.observedGeneration === metadata.generation;
    return `${kind} ${isOfNow ? ready.status : "not seen yet"}`;
  });
}

async function secretValue(name: string, key: string): Promise<string> {
  const { output } = await kubectl("get", "secret", name, "-o", `jsonpath={.data.${key}}`);
  return Buffer.from(output, "base64").toString("utf8");
}

const api = (place: number, target: string, options: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${ports.apps + place}${target}`, options);

async function pay(apiKey: string, amount: number) {
  const answer = await api(0, "/payments", {
    method: "POST",
    headers: {
      ...{ "x-api-key": apiKey, "idempotency-key": crypto.randomUUID(), "content-type": "application/json" },
    },
    body: JSON.stringify({ amount, currency: "INR", card_fingerprint: "card-1" }),
  });
  // Looked at by what is expected of it.
  return { status: answer.status, body: (await answer.json()) as { status?: string; code?: string } };
}

test(
  "up --operator: an applied tenant pays with the key from its Secret, and is judged by its policy",
  async () => {
    expect(await payflow("cluster", "up", "--port", `${ports.cluster}`)).toMatchObject({ exitCode: 0 });
    const words = ["--detach", "--operator", "--port-base", `${ports.apps}`];
    const first = await payflow("up", ...words);
    expect(first).toMatchObject({ exitCode: 0 });
    expect(first.output).toContain("operator-1 ready");
    expect(first.output).toContain("export KUBECONFIG=");
    const example = /kubectl apply -f "?([^"\s]+tenant\.yaml)/.exec(first.output)?.[1] ?? "";

    expect(await kubectl("apply", "-f", path.dirname(example))).toMatchObject({ exitCode: 0 });
    await eventually(
      async () =>
        expect(await readiness()).toEqual(["FraudPolicy True", "Tenant True", "WebhookEndpoint True"]),
      { timeoutMs: 60_000 },
    );
    const table = await kubectl("get", "tenants");
    expect(table.output).toMatch(/chai-point +True +Ready +test +chai-point-api-key/);

    const apiKey = await secretValue("chai-point-api-key", "api-key");
    expect(await pay(apiKey, 100_001)).toMatchObject({ status: 201, body: { status: "succeeded" } });
    const patch = { spec: { fraudPolicyRef: { name: "careful" }, limits: { maxPaymentMinor: 900_000 } } };
    const patched = await kubectl(
      ...["patch", "tenant", "chai-point", "--type", "merge", "-p", JSON.stringify(patch)],
    );
    expect(patched).toMatchObject({ exitCode: 0 });
    await eventually(
      async () => {
        expect(await pay(apiKey, 900_001)).toMatchObject({
          status: 422,
          body: { code: "amount_over_limit" },
        });
        expect(await pay(apiKey, 100_001)).toMatchObject({ status: 201, body: { status: "flagged" } });
      },
      { timeoutMs: 30_000 },
    );
  },
  patienceMs,
);

test(
  "status shows the operator and the cluster, and is no success while the cluster is away",
  async () => {
    const status = await payflow("status");
    expect(status).toMatchObject({ exitCode: 0 });
    for (const name of ["operator-1", "etcd", "kube-apiserver", "kube-controller-manager"]) {
      expect(status.output).toMatch(new RegExp(`^${name} +ready +\\d+`, "m"));
    }
    expect(await payflow("cluster", "down")).toMatchObject({ exitCode: 0 });
    const without = await payflow("status");
    expect(without.exitCode).toBe(1);
    expect(without.output).toContain("The operator's cluster has ended. Start it with ./payflow up");

    const again = await payflow("up", "--detach");
    expect(again).toMatchObject({ exitCode: 0, output: expect.stringContaining("already running") });
    await eventually(async () => expect(await payflow("status")).toMatchObject({ exitCode: 0 }), {
      timeoutMs: 60_000,
    });
  },
  patienceMs,
);

test(
  "the operator goes on where it was after kill -9, and after the cluster was away",
  async () => {
    const pid = () => readRunRecord(state)?.processes.find(({ name }) => name === "operator-1")?.pid ?? 0;
    const victim = pid();
    process.kill(victim, "SIGKILL");
    await eventually(() => pid() !== 0 && pid() !== victim, { timeoutMs: 30_000 });
    const file = path.join(folder, "second.yaml");
    const source = await Bun.file(path.join(repositoryRoot, "examples/resources/tenant.yaml")).text();
    writeFileSync(
      file,
      source.replace("name: chai-point", "name: second").replace("mode: test", "mode: both"),
    );
    expect(await kubectl("apply", "-f", file)).toMatchObject({ exitCode: 0 });
    // A leader that was killed holds its Lease for 15 seconds more.
    await eventually(
      async () => expect(await secretValue("second-api-key", "test-api-key")).toStartWith("pfk_test_"),
      { timeoutMs: 60_000 },
    );
    const live = await secretValue("second-api-key", "api-key");
    await eventually(async () =>
      expect(await pay(live, 100)).toMatchObject({ status: 201, body: { status: "succeeded" } }),
    );
  },
  patienceMs,
);

test(
  "down ends the operator and its cluster; up --no-operator leaves both away",
  async () => {
    const running = processes();
    expect(running.filter(isAlive)).toHaveLength(running.length);
    expect(await payflow("down")).toMatchObject({ exitCode: 0 });
    expect(running.filter(isAlive)).toBeEmpty();
    const without = await payflow("up", "--detach", "--no-operator");
    expect(without).toMatchObject({ exitCode: 0 });
    expect(without.output).not.toContain("operator-1");
    expect(readRunRecord(clusterFolder(state))).toBeNull();
  },
  patienceMs,
);
