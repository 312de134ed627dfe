import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { listed } from "./durations.ts";
import { planJobs } from "./jobs.ts";
import { findLeftovers, killLeftovers, runVariable } from "./leftovers.ts";

function withFiles<T>(files: readonly string[], use: (root: string) => T): T {
  const root = mkdtempSync(path.join(tmpdir(), "payflow-jobs-"));
  try {
    for (const file of files) {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      writeFileSync(path.join(root, file), "");
    }
    return use(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const files = [
  "apps/payment/src/refunds/refund.test.ts",
  "apps/payment/src/payments/payment.test.ts",
  "apps/payment/test/refunds.test.ts",
  "apps/tenant/test/revocation.alone.test.ts",
  "apps/tenant/test/suspension.quiet.test.ts",
  "apps/payment/node_modules/other/other.test.ts",
  "packages/service-kit/test/kafka/broker.test.ts",
];

test("unit tests of a workspace share a process, and each file with servers has its own", () => {
  const jobs = withFiles(files, (root) => planJobs(root, undefined));
  expect(jobs.map(({ name }) => name)).toEqual([
    "format and lint",
    "types",
    "apps/payment (unit)",
    "apps/payment/test/refunds.test.ts",
    "apps/tenant/test/revocation.alone.test.ts",
    "apps/tenant/test/suspension.quiet.test.ts",
    "packages/service-kit/test/kafka/broker.test.ts",
  ]);
  expect(jobs.filter(({ needs }) => needs.includes("kafka")).map(({ name }) => name)).toEqual([
    "packages/service-kit/test/kafka/broker.test.ts",
  ]);
  expect(
    jobs.filter(({ company }) => company !== "many").map(({ name, company }) => [name, company]),
  ).toEqual([
    ["apps/tenant/test/revocation.alone.test.ts", "alone"],
    ["apps/tenant/test/suspension.quiet.test.ts", "quiet"],
  ]);
});

test("who uses Kubernetes waits for it: the operator's files with servers, and those that import it", () => {
  const names = [
    "operator/src/queue.test.ts",
    "operator/test/tenant.test.ts",
    "scripts/test/cluster.test.ts",
    "packages/testkit/test/kubernetes.test.ts",
  ];
  const jobs = withFiles(names, (root) => {
    const line = 'import { testCluster } from "@payflow/testkit/kubernetes.ts";';
    writeFileSync(path.join(root, "scripts/test/cluster.test.ts"), line);
    return planJobs(root, "");
  });
  expect(jobs.map(({ name, needs }) => [name, needs.includes("kubernetes")])).toEqual([
    ["operator (unit)", false],
    ["operator/test/tenant.test.ts", true],
    ["packages/testkit/test/kubernetes.test.ts", true],
    ["scripts/test/cluster.test.ts", true],
  ]);
});

test("what is built for a file follows from where it lies and what it imports", () => {
  const imports = {
    "scripts/test/chart/scored.test.ts":
      'import { kubeScoreBinary } from "…/one-machine/cluster/chart-tools.ts";',
    "scripts/test/node/pods.alone.test.ts":
      'import { clusterFolder } from "…/one-machine/cluster/cluster.ts";',
  };
  const jobs = withFiles(Object.keys(imports), (root) => {
    for (const [file, text] of Object.entries(imports)) writeFileSync(path.join(root, file), text);
    return planJobs(root, "");
  });
  expect(jobs.map(({ needs }) => needs)).toEqual([
    ["helm", "kube-score"],
    ["helm", "release", "node"],
  ]);
});

test("whoever is listed among the longest is a job of ours", () => {
  const names = planJobs(repositoryRoot, undefined).map(({ name }) => name);
  expect(Object.keys(listed).filter((name) => !names.includes(name))).toEqual([]);
});

test("a pattern picks files by their path, without the static checks", () => {
  const jobs = withFiles(files, (root) => planJobs(root, "refund"));
  expect(jobs.map(({ name }) => name)).toEqual(["apps/payment (unit)", "apps/payment/test/refunds.test.ts"]);
  expect(() => withFiles(files, (root) => planJobs(root, "mongo"))).toThrow('contains "mongo"');
});

test.skipIf(process.platform !== "linux")(
  "a process that outlives its run is found and killed (needs /proc)",
  async () => {
    const run = crypto.randomUUID();
    const stray = Bun.spawn(["sleep", "60"], { env: { ...process.env, [runVariable]: run } });
    const found = await findLeftovers(run, 0);
    expect(found.map(({ pid, command }) => [pid, command])).toEqual([[stray.pid, "sleep 60"]]);
    killLeftovers(found);
    await stray.exited;
    expect(await findLeftovers(run, 0)).toBeEmpty();
  },
);
