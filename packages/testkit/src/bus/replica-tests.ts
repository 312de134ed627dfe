import { expect } from "bun:test";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { eventually } from "../eventually.ts";
import { testEvents, testKeys } from "./events.ts";
import { skippedEvents } from "./order.ts";
import type { Replicas } from "./replica.ts";
import type { BusTest } from "./space.ts";

const ledger = { group: "ledger", topics: ["payment.settled"] } as const;

/** Publishes rounds of one event per key until told to stop; returns how many rounds were made. */
function publishRounds(bus: EventBus, keys: readonly string[], rounds: number) {
  const events = testEvents("payment.settled", keys, rounds);
  const stopped = new AbortController();
  const done = (async () => {
    let made = 0;
    for (; made < rounds && !stopped.signal.aborted; made += 1) {
      await bus.publish("payment.settled", events.slice(made * keys.length, (made + 1) * keys.length));
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

function distinct(replicas: Replicas): number {
  return new Set(replicas.handled.map((event) => event.event_id)).size;
}

/** What several replicas of a group promise together. */
export function replicaTests(test: BusTest): void {
  test("two replicas share the work, and each key keeps its order while one joins and one leaves", async (space) => {
    const bus = await space.open();
    const keys = testKeys(40);
    const replicas = space.replicas(ledger);
    const first = await replicas.start();
    const publishing = publishRounds(bus, keys, 4_000);
    await eventually(() => replicas.handledBy(first).length > 100);
    const second = await replicas.start();
    await eventually(() => replicas.handledBy(second).length > 100);
    const before = replicas.handledBy(first).length;
    await eventually(() => replicas.handledBy(first).length > before + 100);
    expect(await replicas.stop(first)).toBe(0);
    const left = replicas.handledBy(second).length;
    await eventually(() => replicas.handledBy(second).length > left + 100);
    const rounds = await publishing.finish();
    await eventually(() => distinct(replicas) === rounds * keys.length);
    expect(skippedEvents(replicas.handled)).toEqual([]);
  });

  test("a replica that stops leaves nothing pending: no event is handled twice", async (space) => {
    const bus = await space.open();
    const keys = testKeys(20);
    const replicas = space.replicas({ ...ledger, handleMs: 10 });
    const first = await replicas.start();
    const publishing = publishRounds(bus, keys, 1_000);
    await eventually(() => replicas.handled.length > 200);
    expect(await replicas.stop(first)).toBe(0);
    const rounds = await publishing.finish();
    await replicas.start();
    await eventually(() => distinct(replicas) === rounds * keys.length);
    expect(replicas.handled).toHaveLength(rounds * keys.length);
    expect(skippedEvents(replicas.handled)).toEqual([]);
  });

  test("a killed replica's keys go on in order at another within seconds", async (space) => {
    const bus = await space.open();
    const keys = testKeys(40);
    const replicas = space.replicas({ ...ledger, handleMs: 2 });
    const killed = await replicas.start();
    const staying = await replicas.start();
    const publishing = publishRounds(bus, keys, 4_000);
    await eventually(
      () => replicas.handledBy(killed).length > 200 && replicas.handledBy(staying).length > 200,
    );
    await replicas.kill(killed);
    const killedKeys = new Set(replicas.handledBy(killed).map((event) => event.key));
    const from = replicas.handled.length;
    // A deadline of the contract: partitions are taken over within 5 s.
    await eventually(
      () => {
        const taken = new Set(replicas.handled.slice(from).map((event) => event.key));
        return [...killedKeys].every((key) => taken.has(key));
      },
      { timeoutMs: 6_000 },
    );
    const rounds = await publishing.finish();
    await eventually(() => distinct(replicas) === rounds * keys.length, { timeoutMs: 20_000 });
    expect(skippedEvents(replicas.handled)).toEqual([]);
  });

  test("a batch that was handled but not acknowledged is delivered again, in order", async (space) => {
    const bus = await space.open();
    const [stallKey = ""] = testKeys(1);
    const replicas = space.replicas(ledger);
    const stalled = await replicas.start({ stallKey });
    await bus.publish("payment.settled", testEvents("payment.settled", [stallKey], 5));
    await eventually(() => replicas.handledBy(stalled).length > 0);
    const seen = replicas.handledBy(stalled).map((event) => event.event_id);
    await replicas.kill(stalled);
    const next = await replicas.start();
    await eventually(() => replicas.handledBy(next).length >= 5, { timeoutMs: 15_000 });
    const again = replicas.handledBy(next).map((event) => event.event_id);
    expect(again.slice(0, seen.length)).toEqual(seen);
    expect(replicas.handledBy(next).map((event) => event.sequence)).toEqual([1, 2, 3, 4, 5]);
  });
}
