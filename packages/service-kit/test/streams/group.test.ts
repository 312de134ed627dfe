import { expect } from "bun:test";
import { unavailable } from "@payflow/contracts/errors.ts";
import { skippedEvents } from "@payflow/testkit/bus/order.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { HopelessEntry } from "../../src/concurrency/finish-batch.ts";
import { groupLag, readStates } from "../../src/streams/lag.ts";
import { onBoth } from "./stream-test.ts";
import { numbered, type StreamSpace, testMerchants, testTenant } from "./streams-fixture.ts";

async function lagOf({ redis, keys, space }: StreamSpace) {
  return groupLag(await readStates(redis, keys, space.partitions, ["exporter"]), "exporter");
}

async function letters(space: StreamSpace) {
  const partitions = Array.from({ length: space.space.partitions }, (_, partition) => partition);
  const found = await Promise.all(
    partitions.map((partition) => space.redis.xrange(space.keys.dead(partition), "-", "+")),
  );
  return found.flat().map(([, fields]) => {
    const pairs: [string, string][] = [];
    for (let at = 0; at < fields.length; at += 2) pairs.push([fields[at] ?? "", fields[at + 1] ?? ""]);
    return Object.fromEntries(pairs);
  });
}

async function exported(space: StreamSpace): Promise<number> {
  const counts = await Promise.all(
    Array.from({ length: space.space.partitions }, (_, partition) =>
      space.redis.hget(space.keys.exported(partition, "exporter"), `${testTenant}/live`),
    ),
  );
  return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
}

onBoth((test) => {
  test("entries arrive once, in order per merchant, those before the group too", async (space) => {
    const merchants = testMerchants(20);
    await space.appendRounds(merchants, 10);
    const { entries } = await space.record();
    await space.appendRounds(merchants, 10, 11);
    await eventually(() => entries.length >= 400);
    await eventually(async () => (await lagOf(space)).events === 0);
    expect(entries).toHaveLength(400);
    expect(skippedEvents(numbered(entries))).toEqual([]);
    expect(await exported(space)).toBe(400);
  });

  test("lag counts what is not acknowledged, in events and seconds, and returns to nothing", async (space) => {
    const { entries, group } = await space.record();
    await space.appendRounds(testMerchants(10), 2);
    await eventually(() => entries.length === 20);
    await group.stop();
    expect(await lagOf(space)).toMatchObject({ events: 0, seconds: 0 });
    await space.appendRounds(testMerchants(10), 3, 3);
    const behind = await eventually(async () => {
      const lag = await lagOf(space);
      return lag.seconds > 0.2 && lag;
    });
    expect(behind.events).toBe(30);
    const again = await space.record();
    await eventually(() => again.entries.length === 30);
    await eventually(async () => (await lagOf(space)).events === 0);
  });

  test("a poison event has five tries, holds its merchant alone, and becomes a dead letter", async (space) => {
    const [poison = "", ...others] = testMerchants(12);
    const tries: number[] = [];
    const { entries } = await space.record(async (batch) => {
      if (batch.length === 1 && batch[0]?.merchant === poison && batch[0].sequence === 1)
        tries.push(Date.now());
      if (batch.some((entry) => entry.merchant === poison && entry.sequence === 1))
        throw new Error("not this one");
    });
    const merchants = [poison, ...others];
    await space.appendRounds(merchants, 2);
    await eventually(() => entries.length === 23);
    const [letter, ...more] = await eventually(async () => {
      const found = await letters(space);
      return found.length > 0 && found;
    });
    expect(more).toEqual([]);
    expect(letter).toMatchObject({
      group: "exporter",
      reason: "Error: not this one",
      tries: "5",
      tenant: testTenant,
      mode: "live",
      merchant: poison,
      sequence: "1",
      id: `${poison}-1`,
      event: "{}",
    });
    const { first_failed_at: first = "", last_failed_at: last = "" } = letter ?? {};
    expect(Date.parse(last)).toBeGreaterThan(Date.parse(first));
    expect(Date.parse(last) - Date.parse(first)).toBeLessThan(10_000);
    expect(tries.length).toBeGreaterThanOrEqual(5);
    const order = entries.filter((entry) => entry.merchant === poison).map((entry) => entry.sequence);
    expect(order).toEqual([2]);
    await eventually(async () => (await lagOf(space)).events === 0);
    expect(await exported(space)).toBe(23);
  });

  test("an entry that no try can mend is a dead letter after one", async (space) => {
    await space.record(async () => {
      throw new HopelessEntry("no event");
    });
    await space.append([{ merchant: "a", sequence: 1 }]);
    const [letter] = await eventually(async () => {
      const found = await letters(space);
      return found.length > 0 && found;
    });
    expect(letter).toMatchObject({ tries: "1", reason: "HopelessEntry: no event" });
  });

  test("an error that passes is retried without limit and is not a try", async (space) => {
    let failures = 0;
    const { entries } = await space.record(async () => {
      failures += 1;
      if (failures <= 7) throw unavailable("The target");
    });
    await space.appendRounds(["a"], 3);
    await eventually(() => entries.length >= 3, { timeoutMs: 30_000 });
    expect(entries.map((entry) => entry.sequence)).toEqual([1, 2, 3]);
    expect(await letters(space)).toEqual([]);
  });

  test("entries finished out of order are not given again, whatever is left between them", async (space) => {
    await space.appendRounds(["a"], 6);
    const first = await space.start({
      open: (partition) => ({
        async take(entries) {
          const odd = entries.filter((entry) => entry.sequence % 2 === 1);
          await partition.acknowledge(odd.slice(0, 1));
          await partition.acknowledge(odd.slice(1));
        },
        async close() {},
      }),
    });
    await eventually(async () => (await lagOf(space)).events === 3);
    await first.stop();
    const { entries } = await space.record();
    await eventually(() => entries.length >= 3);
    await eventually(async () => (await lagOf(space)).events === 0);
    expect(entries.map((entry) => entry.sequence)).toEqual([2, 4, 6]);
    expect(await exported(space)).toBe(6);
    const ahead = await Promise.all(
      [0, 1, 2, 3].map((partition) => space.redis.hkeys(space.keys.ahead(partition, "exporter"))),
    );
    expect(ahead.flat().filter((id) => id !== "step")).toEqual([]);
  });

  test("no more entries are given than may be pending, and more once some are acknowledged", async (space) => {
    await space.appendRounds(["a"], 30);
    const taken: { id: string; tenantId: string; mode: "live" | "test" }[] = [];
    let acknowledge: (count: number) => Promise<void> = async () => {};
    await space.start({
      maxPending: 10,
      open: (partition) => ({
        async take(entries) {
          taken.push(...entries);
          acknowledge = (count) => partition.acknowledge(taken.slice(0, count));
        },
        async close() {},
      }),
    });
    await eventually(() => taken.length === 10);
    await acknowledge(4);
    await eventually(() => taken.length === 14);
    await acknowledge(14);
    await eventually(() => taken.length === 24);
    expect((await lagOf(space)).events).toBe(16);
  });

  test("a consumer that throws is closed, and another is given all from the first not acknowledged", async (space) => {
    await space.appendRounds(["a"], 4);
    const seen: number[][] = [];
    const closed: string[] = [];
    await space.start({
      open: (partition) => ({
        async take(entries) {
          seen.push(entries.map((entry) => entry.sequence));
          await partition.acknowledge(entries.slice(0, 1));
          if (seen.length < 3) throw new Error("broken");
          await partition.acknowledge(entries);
        },
        async close(reason) {
          closed.push(reason);
        },
      }),
    });
    await eventually(async () => (await lagOf(space)).events === 0);
    expect(seen).toEqual([
      [1, 2, 3, 4],
      [2, 3, 4],
      [3, 4],
    ]);
    expect(closed.filter((reason) => reason === "lost")).toHaveLength(2);
  });

  test("a consumer is told of the time while nothing arrives", async (space) => {
    let ticks = 0;
    await space.start({
      tickMs: 10,
      open: () => ({
        async take() {},
        async tick() {
          ticks += 1;
        },
        async close() {},
      }),
    });
    await eventually(() => ticks > 20);
  });

  test("a step of a consumer's own runs under the lease and finishes its entries with it", async (space) => {
    await space.appendRounds(["a"], 2);
    const answers: unknown[] = [];
    await space.start({
      open: (partition) => ({
        async take(entries) {
          const script = "redis.call('RPUSH', KEYS[1], unpack(ARGV)) return #ARGV";
          const list = space.keys.parked(partition.number, "exporter", testTenant);
          const done = { entries, isExported: false };
          answers.push(await partition.step(script, [list], ["x", "y"], done));
        },
        async close() {},
      }),
    });
    await eventually(async () => (await lagOf(space)).events === 0);
    expect(answers).toEqual([2]);
    expect(await exported(space)).toBe(0);
  });

  test("an entry redriven for one group is read by that one alone, and blocks no other", async (space) => {
    const [stream] = [space.keys.events(0)];
    const fields = { tenant: testTenant, mode: "live", merchant: "a", sequence: 1, id: "a-1", event: "{}" };
    await space.redis.xadd(stream, "*", ...Object.entries(fields).flat(), "for", "other");
    await space.redis.xadd(
      stream,
      "*",
      ...Object.entries({ ...fields, sequence: 2 }).flat(),
      "for",
      "exporter",
    );
    const [mine, other] = await Promise.all([space.record(), space.record(undefined, { group: "other" })]);
    await eventually(() => mine.entries.length > 0 && other.entries.length > 0);
    expect(mine.entries.map((entry) => entry.sequence)).toEqual([2]);
    expect(other.entries.map((entry) => entry.sequence)).toEqual([1]);
    await eventually(
      async () => (await space.unacknowledged("other")) === 0 && (await lagOf(space)).events === 0,
    );
  });

  test("what another program took from the group and left pending is taken over by the lease's holder", async (space) => {
    const { keys, redis } = space;
    await space.appendRounds(["a"], 5);
    const stream = space.streamOf("a");
    await redis.xgroup("CREATE", stream, "exporter", "0");
    await redis.xreadgroup("GROUP", "exporter", "somebody", "COUNT", 3, "STREAMS", stream, ">");
    const ids = (await redis.xrange(stream, "-", "+")).map(([id]) => id);
    await redis.xack(stream, "exporter", ids[0] ?? "");
    // As if it had been left a minute ago.
    for (const id of ids.slice(1, 3)) {
      await redis.xclaim(stream, "exporter", "somebody", 0, id, "IDLE", 60_000, "JUSTID");
    }
    expect(await lagOf(space)).toMatchObject({ events: 4 });
    const { entries } = await space.record();
    await eventually(async () => (await lagOf(space)).events === 0);
    expect(entries.map((entry) => entry.sequence)).toEqual([2, 3, 4, 5]);
    expect(await redis.xpending(stream, "exporter")).toEqual([0, null, null, null]);
    expect(await exported(space)).toBe(4);
    expect(await redis.exists(keys.failures(0, "exporter"))).toBe(0);
  });

  test("a group that vanished is made anew and begins at the oldest entry", async (space) => {
    const { entries } = await space.record();
    await space.appendRounds(["a"], 2);
    await eventually(() => entries.length === 2);
    for (let partition = 0; partition < 4; partition += 1) {
      await space.redis.xgroup("DESTROY", space.keys.events(partition), "exporter");
    }
    await space.appendRounds(["a"], 1, 3);
    await eventually(() => new Set(entries.map((entry) => entry.sequence)).size === 3);
    await eventually(async () => (await lagOf(space)).events === 0);
    for (let partition = 0; partition < 4; partition += 1) {
      const left = await space.redis.del(
        space.keys.events(partition),
        space.keys.lease(partition, "exporter"),
      );
      expect(left).toBeGreaterThan(0);
    }
    await space.append([{ merchant: "b", sequence: 1 }]);
    await eventually(() => entries.some((entry) => entry.merchant === "b"));
    await eventually(async () => (await lagOf(space)).events === 0);
  });
});
