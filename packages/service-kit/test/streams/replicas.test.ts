import { expect } from "bun:test";
import { skippedEvents } from "@payflow/testkit/bus/order.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { Replicas } from "./replicas.ts";
import { onBoth } from "./stream-test.ts";
import { type StreamSpace, testMerchants } from "./streams-fixture.ts";

/** Appends rounds of one event per merchant until told to stop; `finish` returns how many rounds were made. */
function appendRounds(space: StreamSpace, merchants: readonly string[], rounds: number) {
  const stopped = new AbortController();
  const done = (async () => {
    let made = 0;
    for (; made < rounds && !stopped.signal.aborted; made += 1) {
      await space.appendRounds(merchants, 1, made + 1);
      await Bun.sleep(5);
    }
    return made;
  })();
  return {
    finish: () => {
      stopped.abort();
      return done;
    },
  };
}

onBoth((test) => {
  test("two replicas share the partitions, and each merchant keeps its order while one joins and one leaves", async (space) => {
    const merchants = testMerchants(40);
    const replicas = new Replicas(space);
    const first = await replicas.start();
    const appending = appendRounds(space, merchants, 4_000);
    await eventually(() => replicas.handledBy(first).length > 100);
    const second = await replicas.start();
    await eventually(() => replicas.handledBy(second).length > 100);
    const before = replicas.handledBy(first).length;
    await eventually(() => replicas.handledBy(first).length > before + 100);
    expect(await replicas.stop(first)).toBe(0);
    const left = replicas.handledBy(second).length;
    await eventually(() => replicas.handledBy(second).length > left + 100);
    const rounds = await appending.finish();
    await eventually(() => replicas.distinct === rounds * merchants.length);
    // Nobody was killed: whoever leaves, or gives a partition up, leaves nothing that was done.
    expect(replicas.handled).toHaveLength(rounds * merchants.length);
    expect(skippedEvents(replicas.handled)).toEqual([]);
  });

  test("a killed replica's partitions go on in order at another within seconds", async (space) => {
    const merchants = testMerchants(40);
    const replicas = new Replicas(space, { handleMs: 2 });
    const killed = await replicas.start();
    const staying = await replicas.start();
    const appending = appendRounds(space, merchants, 4_000);
    await eventually(
      () => replicas.handledBy(killed).length > 200 && replicas.handledBy(staying).length > 200,
    );
    await replicas.kill(killed);
    const partitions = new Set(replicas.handledBy(killed).map((entry) => entry.partition));
    const from = replicas.handled.length;
    // A deadline of the contract: partitions are taken over within 5 s.
    await eventually(
      () => {
        const taken = new Set(replicas.handled.slice(from).map((entry) => entry.partition));
        return [...partitions].every((partition) => taken.has(partition));
      },
      { timeoutMs: 6_000 },
    );
    const rounds = await appending.finish();
    await eventually(() => replicas.distinct === rounds * merchants.length, { timeoutMs: 20_000 });
    expect(skippedEvents(replicas.handled)).toEqual([]);
  });

  test("entries that were handled but not acknowledged are given again, in order", async (space) => {
    const replicas = new Replicas(space);
    const stalled = await replicas.start({ stallMerchant: "a" });
    await space.appendRounds(["a"], 5);
    await eventually(() => replicas.handledBy(stalled).length > 0);
    await replicas.kill(stalled);
    const next = await replicas.start();
    await eventually(() => replicas.handledBy(next).length >= 5, { timeoutMs: 15_000 });
    expect(replicas.handledBy(next).map((entry) => entry.sequence)).toEqual([1, 2, 3, 4, 5]);
  });

  test("a replica that stood still and wakes after its partitions went to another acknowledges nothing", async (space) => {
    const replicas = new Replicas(space, { handleMs: 20, maxBatch: 5 });
    const paused = await replicas.start();
    const merchants = testMerchants(8);
    await space.appendRounds(merchants, 10);
    await eventually(() => replicas.handledBy(paused).length > 0);
    replicas.pause(paused);
    const other = await replicas.start();
    await eventually(() => replicas.distinct === 80, { timeoutMs: 20_000 });
    await eventually(async () => (await space.unacknowledged()) === 0);
    // A merchant of its own stays with the replica that reads now, in front of the one that wakes.
    await space.append(merchants.map((merchant) => ({ merchant, sequence: 11 })));
    await eventually(() => replicas.handledBy(other).filter((entry) => entry.sequence === 11).length === 8);
    await eventually(async () => (await space.unacknowledged()) === 0);
    const exportedBefore = await exportedCount(space);
    expect(exportedBefore).toBe(88);
    replicas.resume(paused);
    const from = replicas.handled.length;
    await eventually(async () => {
      await space.appendRounds(merchants, 1, 12);
      return replicas.handled.slice(from).some((entry) => entry.replica === paused && entry.sequence === 12);
    });
    await eventually(async () => (await space.unacknowledged()) === 0);
    expect(skippedEvents(replicas.handled)).toEqual([]);
    const appended = await Promise.all(
      Array.from({ length: space.space.partitions }, (_, partition) =>
        space.redis.xlen(space.keys.events(partition)),
      ),
    );
    // Each event is counted once, although the sleeper had handled some of them too.
    expect(await exportedCount(space)).toBe(appended.reduce((sum, length) => sum + length, 0));
  });

  test("a crash does not give a poison event its tries anew", async (space) => {
    const replicas = new Replicas(space, { poisonMerchant: "poison" });
    const first = await replicas.start();
    await space.append([
      { merchant: "poison", sequence: 1 },
      { merchant: "fine", sequence: 1 },
    ]);
    await eventually(() => replicas.failed.filter((entry) => entry.key.endsWith("/poison")).length >= 3);
    await replicas.kill(first);
    await replicas.start();
    const [, fields = []] = await eventually(
      async () => {
        for (let partition = 0; partition < space.space.partitions; partition += 1) {
          const [letter] = await space.redis.xrange(space.keys.dead(partition), "-", "+");
          if (letter !== undefined) return letter;
        }
        return false;
      },
      { timeoutMs: 20_000 },
    );
    expect(fields[fields.indexOf("tries") + 1]).toBe("5");
    await eventually(() => replicas.handled.some((entry) => entry.key.endsWith("/fine")));
    const failed = replicas.failed.filter((entry) => entry.key.endsWith("/poison"));
    // One try may have been made and not been stored when the replica was killed.
    expect(failed.length).toBeLessThanOrEqual(8);
  });
});

async function exportedCount(space: StreamSpace): Promise<number> {
  const counts = await Promise.all(
    Array.from({ length: space.space.partitions }, (_, partition) =>
      space.redis.hvals(space.keys.exported(partition, "exporter")),
    ),
  );
  return counts.flat().reduce((sum, count) => sum + Number(count), 0);
}
