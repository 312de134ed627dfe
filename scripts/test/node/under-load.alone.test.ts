import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import path from "node:path";
import { nodeObstacle } from "@payflow/one-machine/cluster/node/obstacle.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import type { KubernetesObject } from "../chart/chart.ts";
import { raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { Traffic } from "../platform/traffic.ts";
import { Truth } from "../platform/truth.ts";
import { writeHangingImage } from "./hanging-image.ts";
import { InstalledPayFlow } from "./installed.ts";

const obstacle = nodeObstacle();
if (obstacle !== null) console.log(`Tests of the chart under load are skipped. ${obstacle}`);
const patienceMs = 600_000;
/** Two small processors carry the cluster besides. */
const callers = process.env.PAYFLOW_THOROUGH === "1" ? 16 : 4;

describe.skipIf(obstacle !== null)("an installed PayFlow under load", () => {
  const folder = temporaryFolder();
  let payflow: InstalledPayFlow;
  let truth: Truth;
  let tenant: TestTenant;

  beforeAll(async () => {
    payflow = await InstalledPayFlow.prepare();
    await payflow.install();
    await payflow.open();
    truth = new Truth(payflow);
  }, 30 * 60_000);
  afterAll(async () => {
    await truth?.close();
    await payflow?.close();
  }, patienceMs);
  beforeEach(async () => {
    tenant = await registerTenant(payflow);
    await raiseLimits(payflow, tenant);
  });

  /** Does something under load; afterwards nothing is lost, invented or moved twice. */
  async function underLoad(run: () => Promise<unknown>): Promise<Traffic> {
    const traffic = new Traffic(payflow, tenant, callers);
    await traffic.during(async () => {
      await eventually(() => traffic.acknowledged.length > 20, { timeoutMs: 60_000 });
      await run();
      const sofar = traffic.acknowledged.length;
      await eventually(() => traffic.acknowledged.length > sofar + 20, { timeoutMs: 60_000 });
    });
    expect(traffic.unexpected).toEqual([]);
    expect(traffic.serverErrors).toEqual([]);
    await truth.settled(120_000);
    await truth.addsUp();
    await truth.holds(traffic.acknowledged);
    return traffic;
  }

  const rollout = (app: string) =>
    payflow.kubectl(["rollout", "status", `deployment/payflow-${app}`, "--timeout=180s"]);
  const readyPods = async (app: string) =>
    (await payflow.pods(app)).filter(({ metadata, status }) => {
      const isReady = status.conditions?.some(
        ({ type, status: value }: KubernetesObject) => type === "Ready" && value === "True",
      );
      return isReady && metadata.deletionTimestamp === undefined;
    });

  test(
    "more pods take payments once they are ready, and fewer lose none",
    async () => {
      const scale = (replicas: number) =>
        payflow.kubectl(["scale", "deployment/payflow-payment", `--replicas=${replicas}`]);
      const traffic = await underLoad(async () => {
        await scale(3);
        await rollout("payment");
        expect(await readyPods("payment")).toHaveLength(3);
        await scale(2);
        await eventually(async () => (await payflow.pods("payment")).length === 2, { timeoutMs: 90_000 });
      });
      expect(traffic.timesUnavailable).toBe(0);
    },
    patienceMs,
  );

  test(
    "an upgrade that replaces every pod fails no payment and answers no 5xx",
    async () => {
      const before = (await payflow.pods("payment")).map(({ metadata }) => metadata.name);
      const traffic = await underLoad(() =>
        payflow.upgrade(payflow.values({ logLevel: "warn", secrets: { revision: "2" } })),
      );
      const after = (await readyPods("payment")).map(({ metadata }) => metadata.name);
      expect(after.filter((name) => before.includes(name))).toEqual([]);
      expect(traffic.timesUnavailable).toBe(0);
    },
    patienceMs,
  );

  test(
    "a bad upgrade fails its probe, is taken back by itself, and nobody outside notices",
    async () => {
      const before = (await payflow.pods("payment")).map(({ metadata }) => metadata.name).sort();
      const archive = path.join(folder, "hanging.tar");
      await writeHangingImage(archive);
      const [hanging] = payflow.cluster.load(archive);
      const bad = payflow.values({ image: { digest: hanging?.digest } });
      const traffic = await underLoad(async () => {
        const words = ["--rollback-on-failure", "--timeout", "40s"];
        const problem = await payflow.upgrade(bad, ...words).then(
          () => "none",
          (error) => String(error),
        );
        expect(problem).toContain("rolled back");
        await rollout("payment");
      });
      const [failed, current] = JSON.parse(
        await payflow.helm(["history", "payflow", "--output", "json"]),
      ).slice(-2);
      expect([failed.status, current.status]).toEqual(["failed", "deployed"]);
      expect(current.description).toContain("Rollback to");
      const after = (await readyPods("payment")).map(({ metadata }) => metadata.name).sort();
      expect(after).toEqual(before);
      expect(traffic.timesUnavailable).toBe(0);
    },
    patienceMs,
  );

  test(
    "evictions take one pod of an app at a time",
    async () => {
      const evict = async ({ metadata: { name } }: KubernetesObject) => {
        const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name } };
        const pods = `/api/v1/namespaces/${payflow.namespace}/pods`;
        return (await payflow.cluster.request("POST", `${pods}/${name}/eviction`, eviction)).status;
      };
      const traffic = await underLoad(async () => {
        const [first, second] = await readyPods("payment");
        expect([await evict(first), await evict(second)]).toEqual([201, 429]);
        await eventually(async () => (await evict(second)) === 201, { timeoutMs: 120_000, everyMs: 500 });
        await rollout("payment");
      });
      expect(traffic.timesUnavailable).toBe(0);
    },
    patienceMs,
  );

  test(
    "each pod is killed in the middle of its work, and everything still adds up",
    async () => {
      await underLoad(async () => {
        for (const app of ["payment", "ledger", "fraud", "notifier", "tenant", "ingest", "operator"]) {
          for (const pod of await readyPods(app)) payflow.killPod(pod);
          await eventually(async () => (await restartsOf(app)).every((count) => count > 0), {
            ...{ timeoutMs: 120_000, everyMs: 250 },
          });
          await rollout(app);
        }
      });
    },
    patienceMs,
  );

  const restartsOf = async (app: string) =>
    (await readyPods(app)).map(({ status }) => Number(status.containerStatuses[0].restartCount));
});
