import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { skippedEvents } from "@payflow/testkit/bus/order.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import type { TestRedis } from "@payflow/testkit/redis.ts";
import { testRedis } from "@payflow/testkit/redis.ts";
import { testRedisCluster } from "@payflow/testkit/redis-cluster.ts";
import type { Redis } from "ioredis";
import { isRedisOutage, settled } from "../../src/store/redis.ts";
import { numbered, StreamSpace, testMerchants, testTenant } from "./streams-fixture.ts";

setDefaultTimeout(90_000);

let single: { url: string; server: TestRedis; close: () => Promise<void> };
let cluster: Awaited<ReturnType<typeof testRedisCluster>>;

beforeAll(async () => {
  const servers = await testRedis();
  single = { url: servers.durable.url, server: servers.durable, close: () => servers.close() };
  cluster = await testRedisCluster();
});
afterAll(async () => {
  await single.close();
  await cluster.close();
});

/** Appends rounds while the server may be away; each event once, in order. */
async function appendThroughOutages(space: StreamSpace, merchants: readonly string[], rounds: number) {
  for (let sequence = 1; sequence <= rounds; sequence += 1) {
    for (const merchant of merchants) {
      await eventually(
        async () => {
          const [last] = await space.redis.xrevrange(space.streamOf(merchant), "+", "-", "COUNT", 1);
          const isThere = last?.[1].includes(`${merchant}-${sequence}`) === true;
          if (!isThere) await space.append([{ merchant, sequence }]);
        },
        { timeoutMs: 30_000 },
      );
    }
  }
}

async function survives(urls: string, servers: readonly TestRedis[]): Promise<void> {
  const space = await StreamSpace.open(urls);
  try {
    // One merchant a partition, so that its last entry tells whether an append came through.
    const merchants = space.merchantPerPartition();
    const first = await space.record();
    const second = await space.record();
    const appending = appendThroughOutages(space, merchants, 300);
    const all = () => [...first.entries, ...second.entries];
    for (const server of servers) {
      const before = all().length;
      await eventually(() => all().length > before + 50);
      await server.stop("SIGKILL");
      await server.start();
    }
    await appending;
    await eventually(() => new Set(all().map((entry) => entry.eventId)).size === merchants.length * 300, {
      timeoutMs: 30_000,
    });
    await eventually(async () => (await space.unacknowledged()) === 0, { timeoutMs: 20_000 });
    for (const { entries } of [first, second]) expect(skippedInPart(numbered(entries))).toEqual([]);
  } finally {
    await space.end();
  }
}

/** As `skippedEvents`, for one of several replicas: each begins where the other was. */
function skippedInPart(entries: { key: string; sequence: number }[]): string[] {
  const begun = new Map<string, number>();
  return skippedEvents(
    entries.map(({ key, sequence }) => {
      if (!begun.has(key)) begun.set(key, sequence - 1);
      return { key, sequence: Math.max(sequence - (begun.get(key) ?? 0), 0) };
    }),
  );
}

test("a group goes on by itself after each kill of its server, with order kept", () =>
  survives(single.url, [single.server, single.server, single.server]));

test("a group on a cluster goes on after each master was killed and came back", () =>
  survives(cluster.urls, cluster.nodes));

test("a group starts while Redis is away and stops while it is away", async () => {
  const space = await StreamSpace.open(single.url);
  await single.server.stop("SIGKILL");
  const { entries, group } = await space.record();
  await single.server.start();
  await eventually(() => space.appendRounds(testMerchants(4), 1));
  await eventually(() => new Set(entries.map((entry) => entry.merchant)).size === 4);
  await single.server.stop("SIGKILL");
  await group.stop();
  await single.server.start();
  await space.end();
});

test("what was handled while Redis went away is acknowledged once it is back, without being handled again", async () => {
  const space = await StreamSpace.open(single.url);
  const handled: string[] = [];
  await space.appendRounds(["a"], 3);
  await space.record(async (batch) => {
    handled.push(...batch.map((entry) => entry.id));
    if (handled.length === batch.length) await single.server.stop("SIGKILL");
  });
  await eventually(() => handled.length > 0);
  await eventually(async () => {
    const error = await space.redis.ping().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    return isRedisOutage(error);
  });
  await single.server.start();
  await eventually(async () => (await space.unacknowledged()) === 0);
  expect(new Set(handled).size).toBe(handled.length);
  await space.end();
});

const stepValue = "the step's own value";

test("a step that finishes entries is done once, however often its answer is lost", async () => {
  const space = await StreamSpace.open(single.url);
  try {
    const redis = space.connect() as Redis; // one server's
    await settled(redis);
    const send = redis.sendCommand.bind(redis);
    const lost = { answers: 2 };
    redis.sendCommand = (command) => {
      const answer = send(command);
      if (!command.args.includes(stepValue)) return answer;
      return Promise.resolve(answer).then((value) => {
        if (lost.answers === 0) return value;
        lost.answers -= 1;
        throw new Error("Connection is closed.");
      });
    };
    await space.append([1, 2, 3].map((sequence) => ({ merchant: "a", sequence })));
    await space.start({
      redis,
      open: (partition) => ({
        async take(entries) {
          const list = space.keys.parked(partition.number, "exporter", testTenant);
          const done = { entries, isExported: true };
          const script = "return redis.call('RPUSH', KEYS[1], ARGV[1])";
          // As a consumer does that waits for what passes by itself.
          while (lost.answers > 0) {
            await partition.step(script, [list], [stepValue], done).catch(() => {});
          }
        },
        async close() {},
      }),
    });
    await eventually(async () => lost.answers === 0 && (await space.unacknowledged()) === 0);
    const partitions = [0, 1, 2, 3];
    const pushed = await Promise.all(
      partitions.map((one) => space.redis.llen(space.keys.parked(one, "exporter", testTenant))),
    );
    const exported = await Promise.all(
      partitions.map((one) => space.redis.hget(space.keys.exported(one, "exporter"), `${testTenant}/live`)),
    );
    expect([Math.max(...pushed), exported.filter((count) => count !== null)]).toEqual([1, ["3"]]);
  } finally {
    await space.end();
  }
});
