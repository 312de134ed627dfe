import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import type { KubernetesObject } from "../chart/chart.ts";
import { raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { Traffic } from "../platform/traffic.ts";
import { Truth } from "../platform/truth.ts";
import { writeHangingImage } from "./hanging-image.ts";
import type { InstalledPayFlow } from "./installed.ts";

const patienceMs = 600_000;
const isThorough = process.env.PAYFLOW_THOROUGH === "1";
/** Two small processors carry the cluster besides. */
const callers = isThorough ? 16 : 4;
/** How often payment's pods are evicted one after the other. */
const rounds = isThorough ? 3 : 1;
const others = ["ledger", "fraud", "notifier", "tenant", "ingest", "operator"];
/** Whose pods are killed at the same moment. */
const killedTogether = isThorough ? ["payment", ...others].map((app) => [app]) : [["payment"], others];

/** What happens to pods of an installed release while payments come in. Fewer at a time unless thorough. */
export function loadTests(payflow: () => InstalledPayFlow): void {
  describe("under load", () => {
    const folder = temporaryFolder();
    let truth: Truth;
    let tenant: TestTenant;

    beforeAll(() => {
      truth = new Truth(payflow());
    });
    afterAll(() => truth.close());
    beforeEach(async () => {
      tenant = await registerTenant(payflow());
      await raiseLimits(payflow(), tenant);
    }, patienceMs);

    /** Does something under load; afterwards nothing is lost, invented or moved twice. */
    async function underLoad(run: () => Promise<unknown>): Promise<Traffic> {
      const traffic = new Traffic(payflow(), tenant, callers);
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
      payflow().kubectl(["rollout", "status", `deployment/payflow-${app}`, "--timeout=180s"]);
    const readyPods = async (app: string) =>
      (await payflow().pods(app)).filter(({ metadata, status }) => {
        const isReady = status.conditions?.some(
          ({ type, status: value }: KubernetesObject) => type === "Ready" && value === "True",
        );
        return isReady && metadata.deletionTimestamp === undefined;
      });
    const readyNames = async (app: string) =>
      (await readyPods(app)).map(({ metadata }) => String(metadata.name)).sort();

    test(
      "more pods take payments once they are ready, and fewer lose none",
      async () => {
        const scale = (replicas: number) =>
          payflow().kubectl(["scale", "deployment/payflow-payment", `--replicas=${replicas}`]);
        const traffic = await underLoad(async () => {
          await scale(3);
          await rollout("payment");
          expect(await readyPods("payment")).toHaveLength(3);
          await scale(2);
          const patience = { timeoutMs: 90_000, everyMs: 100 };
          await eventually(async () => (await payflow().pods("payment")).length === 2, patience);
        });
        expect(traffic.unavailable).toEqual([]);
      },
      patienceMs,
    );

    test(
      "an upgrade that replaces every pod fails no payment and answers no 5xx",
      async () => {
        const before = await readyNames("payment");
        const traffic = await underLoad(() =>
          payflow().upgrade(payflow().values({ logLevel: "warn", secrets: { revision: "2" } })),
        );
        const after = await readyNames("payment");
        expect(after.filter((name) => before.includes(name))).toEqual([]);
        expect(traffic.unavailable).toEqual([]);
      },
      patienceMs,
    );

    test(
      "a bad upgrade fails its probe, is taken back by itself, and nobody outside notices",
      async () => {
        const before = await readyNames("payment");
        const archive = path.join(folder, "hanging.tar");
        await writeHangingImage(archive);
        const [hanging] = payflow().cluster.load(archive);
        const bad = payflow().values({ image: { digest: hanging?.digest } });
        const traffic = await underLoad(async () => {
          const words = ["--rollback-on-failure", "--timeout", isThorough ? "40s" : "20s"];
          const problem = await payflow()
            .upgrade(bad, ...words)
            .then(
              () => "none",
              (error) => String(error),
            );
          expect(problem).toContain("rolled back");
          await rollout("payment");
        });
        const [failed, current] = JSON.parse(
          await payflow().helm(["history", "payflow", "--output", "json"]),
        ).slice(-2);
        expect([failed.status, current.status]).toEqual(["failed", "deployed"]);
        expect(current.description).toContain("Rollback to");
        expect(await readyNames("payment")).toEqual(before);
        expect(traffic.unavailable).toEqual([]);
      },
      patienceMs,
    );

    test(
      "evictions take one pod of an app at a time",
      async () => {
        const evict = async ({ metadata: { name } }: KubernetesObject) => {
          const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name } };
          const pods = `/api/v1/namespaces/${payflow().namespace}/pods`;
          return (await payflow().cluster.request("POST", `${pods}/${name}/eviction`, eviction)).status;
        };
        const traffic = await underLoad(async () => {
          for (let round = 0; round < rounds; round += 1) {
            const [first, second] = await readyPods("payment");
            expect([await evict(first), await evict(second)]).toEqual([201, 429]);
            const patience = { timeoutMs: 120_000, everyMs: 250 };
            await eventually(async () => (await evict(second)) === 201, patience);
            await rollout("payment");
          }
        });
        expect(traffic.unavailable).toEqual([]);
      },
      patienceMs,
    );

    test(
      "each pod is killed in the middle of its work, and everything still adds up",
      async () => {
        await underLoad(async () => {
          for (const together of killedTogether) {
            const pods = await Promise.all(together.map(readyPods));
            for (const pod of pods.flat()) payflow().killPod(pod);
            await Promise.all(together.map(comeBack));
          }
        });
      },
      patienceMs,
    );

    /** Waits until each container of an app was started again and works. */
    async function comeBack(app: string): Promise<void> {
      await eventually(
        async () => {
          const pods = await readyPods(app);
          const restarts = pods.map(({ status }) => Number(status.containerStatuses[0].restartCount));
          return restarts.length > 0 && restarts.every((count) => count > 0);
        },
        { timeoutMs: 120_000, everyMs: 250 },
      );
      await rollout(app);
    }
  });
}
