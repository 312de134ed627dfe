import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import path from "node:path";
import { adminKubeconfig, clusterFolder } from "@payflow/one-machine/cluster/cluster.ts";
import { kubeBinary } from "@payflow/one-machine/cluster/kube-binary.ts";
import { nodeObstacle } from "@payflow/one-machine/cluster/node/obstacle.ts";
import { readRunRecord } from "@payflow/one-machine/installation/state.ts";
import { isAlive } from "@payflow/one-machine/processes/child.ts";
import { releasePortBase, reservePortBase } from "@payflow/one-machine/processes/ports.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import { testedRelease } from "../image/tested-release.ts";
import {
  commandOf,
  type MachineState,
  machineState,
  type NodeBelongings,
  nodeBelongings,
  nodeProcesses,
  remains,
} from "./machine.ts";
import { webServer } from "./web-server.ts";

const obstacle = nodeObstacle();
if (obstacle !== null) console.log(`Tests of a cluster with a node are skipped. ${obstacle}`);
const patienceMs = 300_000;

interface WebPod {
  readonly status: {
    readonly containerStatuses?: readonly {
      readonly ready: boolean;
      readonly state: { readonly running?: { readonly startedAt: string } };
    }[];
  };
}

describe.skipIf(obstacle !== null)("./payflow cluster up --node", () => {
  const folder = temporaryFolder();
  const state = path.join(folder, "state");
  const cluster = clusterFolder(state);
  let archive: string;
  let port = 0;

  beforeAll(async () => {
    before = machineState();
    port = await reservePortBase();
    archive = (await testedRelease(folder)).imageArchive;
  }, 30 * 60_000);
  afterAll(async () => {
    await payflow("down");
    releasePortBase(port);
  }, patienceMs);

  const payflow = (...words: string[]) =>
    run([path.join(repositoryRoot, "payflow"), "cluster", ...words, "--state", state]);
  const up = () => payflow("up", "--node", "--port", `${port}`);
  const kubectl = async (words: readonly string[], objects?: unknown) => {
    const own = ["--kubeconfig", adminKubeconfig(cluster), "--cache-dir", path.join(folder, "kubectl")];
    return run([await kubeBinary(), "kubectl", ...own, ...words], JSON.stringify(objects));
  };

  /** The machine before there was a node, which is to be as it was whenever there is none. */
  let before: MachineState;
  let isUp = false;

  /** With pods, so that there are mounts, networks and processes of theirs; what was up already stays. */
  async function runPods(): Promise<NodeBelongings> {
    if (!isUp) {
      expect(await up()).toContain("is ready at");
      isUp = true;
      const [, digest] = (await payflow("load", archive)).trim().split(/\s+/);
      await kubectl(["apply", "-f", "-"], webServer(`payflow@${digest}`, 2));
      await kubectl(["rollout", "status", "deployment/web", "--timeout=120s"]);
    }
    return nodeBelongings(cluster);
  }

  /** Of the supervisor's children; 0 where it has none of that name. */
  const processOf = (name: string) =>
    readRunRecord(cluster)?.processes.find((one) => one.name === name)?.pid ?? 0;

  test(
    "down leaves no process, mount, namespace, bridge or cgroup, and keeps the objects",
    async () => {
      const own = await runPods();
      expect(remains(own).length).toBeGreaterThan(10);
      expect(machineState()).toEqual(before);
      expect(await payflow("down")).toContain("has ended");
      isUp = false;
      expect(remains(own)).toEqual([]);
      expect(machineState()).toEqual(before);

      const downAt = Date.now();
      expect(await up()).toContain("is ready at");
      isUp = true;
      await eventually(() => arePodsUpSince(downAt), { timeoutMs: 120_000, everyMs: 500 });
    },
    2 * patienceMs,
  );

  test(
    "a node whose holder is killed ends whole and is started anew, with its pods",
    async () => {
      const earlier = nodeProcesses(await runPods());
      const killedAt = Date.now();
      process.kill(processOf("node"), "SIGKILL");
      // What still lives is named when it is late.
      const living = () => earlier.filter(isAlive).map(({ pid }) => commandOf(pid));
      await eventually(() => expect(living()).toEqual([]), { timeoutMs: 120_000 });
      await eventually(() => arePodsUpSince(killedAt), { timeoutMs: 180_000, everyMs: 500 });
    },
    patienceMs,
  );

  test(
    "a supervisor that is killed takes the whole node with it",
    async () => {
      const own = await runPods();
      process.kill(readRunRecord(cluster)?.supervisor.pid ?? 0, "SIGKILL");
      isUp = false;
      await eventually(() => expect(remains(own)).toEqual([]), { timeoutMs: 100_000 });
      await payflow("down");
      expect(machineState()).toEqual(before);
    },
    patienceMs,
  );

  /** Whether both pods are ready, in containers that were started after that moment. */
  async function arePodsUpSince(moment: number): Promise<boolean> {
    const { items } = JSON.parse(await kubectl(["get", "pods", "-l", "app=web", "-o", "json"]));
    const starts = items.flatMap((pod: WebPod) =>
      (pod.status.containerStatuses ?? []).map(({ ready, state }) =>
        ready ? Date.parse(state.running?.startedAt ?? "") : 0,
      ),
    );
    // The API tells whole seconds.
    return starts.length === 2 && starts.every((at: number) => at >= moment - 1_000);
  }

  async function run(command: readonly string[], input = ""): Promise<string> {
    const child = Bun.spawn([...command], {
      cwd: folder,
      stdin: new Blob([input]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const output = await Promise.all([child.stdout, child.stderr].map((one) => new Response(one).text()));
    const [said = "", complaints = ""] = output;
    if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${said}${complaints}`);
    return said;
  }
});
