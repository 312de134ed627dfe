import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisCluster, testRedisCluster } from "@payflow/testkit/redis-cluster.ts";
import { Redis } from "ioredis";
import { expectWhole, insist, manyBodies } from "./under-load.ts";
import { countKinds, event, faultsOf, WriterSpace } from "./writer-fixture.ts";

let cluster: TestRedisCluster;
let nodes: Redis[];
const spaces: WriterSpace[] = [];

beforeAll(async () => {
  cluster = await testRedisCluster();
  nodes = cluster.nodes.map(({ url }) => new Redis(url).on("error", () => {}));
});
afterEach(async () => {
  for (const space of spaces.splice(0)) await space.end();
});
afterAll(async () => {
  for (const node of nodes) node.disconnect();
  await cluster.close();
});

function open(): WriterSpace {
  const space = new WriterSpace(cluster.urls, 8);
  spaces.push(space);
  return space;
}

/** Moves all keys of a slot, and the slot, from one node to another, as an operator does who reshards. */
async function moveSlot(slot: number, from: Redis, to: Redis): Promise<void> {
  const idOf = async (node: Redis) => String(await node.call("CLUSTER", "MYID"));
  const [fromId, toId] = [await idOf(from), await idOf(to)];
  await to.call("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
  await from.call("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
  const { hostname, port } = new URL(cluster.nodes[nodes.indexOf(to)]?.url ?? "");
  for (;;) {
    const keys = (await from.call("CLUSTER", "GETKEYSINSLOT", slot, 5)) as string[];
    if (keys.length === 0) break;
    await from.call("MIGRATE", hostname, port, "", 0, 5_000, "AUTH", "payflow_test", "KEYS", ...keys);
  }
  for (const node of [to, from, ...nodes]) await node.call("CLUSTER", "SETSLOT", slot, "NODE", toId);
}

test("a node killed under load and started again has every acknowledged event, once", async () => {
  const space = open();
  const { writer } = await space.open();
  const bodies = manyBodies(300, 25);
  const restarting = (async () => {
    for (const node of cluster.nodes) {
      await Bun.sleep(60);
      await node.stop("SIGKILL");
      await node.start();
    }
  })();
  const [{ refusals }] = await Promise.all([insist(writer, bodies), restarting]);
  expect(refusals).toBeGreaterThan(0);
  await eventually(() => expectWhole(space, bodies));
});

test("a partition that moves to another node under load goes on there, whole and in order", async () => {
  const space = open();
  const { writer } = await space.open();
  const bodies = manyBodies(400, 25);
  const key = space.keys.events(3);
  await writer.append(Array.from({ length: 100 }, (_, index) => event({ merchant: `other-${index}` })));
  const slot = Number(await nodes[0]?.call("CLUSTER", "KEYSLOT", key));
  const answers = await Promise.all(nodes.map((node) => node.exists(key).catch(() => null)));
  const from = nodes[answers.findIndex((answer) => answer !== null)];
  const to = nodes.find((node) => node !== from);
  if (from === undefined || to === undefined) throw new Error("no node answers for the partition");
  const moving = (async () => {
    await Bun.sleep(50);
    await moveSlot(slot, from, to);
  })();
  await Promise.all([insist(writer, bodies), moving]);
  expect(await to.exists(key)).toBe(1);
  const stored = await space.entries();
  expect(faultsOf(stored)).toEqual([]);
  expect(stored).toHaveLength(100 + 400 * 25);
  const again = await writer.append(bodies.flat());
  expect(countKinds(again)).toEqual({ duplicate: 400 * 25 });
});

test("a node that stays silent stops its own partitions alone, and the others find their way back without it", async () => {
  const space = open();
  const { writer } = await space.open();
  const merchants = Array.from({ length: 40 }, (_, index) => `m${index}`);
  const storedNow = async () => {
    const answers = await Promise.allSettled(
      merchants.map((merchant) => writer.appendOne(event({ merchant, id: crypto.randomUUID() }))),
    );
    return answers.filter((one) => one.status === "fulfilled").length;
  };
  expect(await storedNow()).toBe(merchants.length);
  const [silent, other] = nodes;
  if (silent === undefined || other === undefined) throw new Error("the cluster has no nodes");
  for (const node of nodes) await node.config("SET", "cluster-require-full-coverage", "no");
  const pid = Number(/process_id:(\d+)/.exec(await silent.info("server"))?.[1]);
  process.kill(pid, "SIGSTOP");
  try {
    const without = await eventually(
      async () => {
        const count = await storedNow();
        return count > 0 && count < merchants.length && count;
      },
      { timeoutMs: 30_000 },
    );
    await other.client("KILL", "TYPE", "normal", "SKIPME", "yes");
    await eventually(async () => (await storedNow()) === without, { timeoutMs: 30_000 });
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await eventually(async () => (await storedNow()) === merchants.length, { timeoutMs: 30_000 });
  for (const node of nodes) await node.config("SET", "cluster-require-full-coverage", "yes");
  expect(faultsOf(await space.entries())).toEqual([]);
}, 120_000);
