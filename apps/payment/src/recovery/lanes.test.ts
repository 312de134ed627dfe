import { expect, test } from "bun:test";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { createLanes, type Lane } from "./lanes.ts";

const logger = createLogger("lanes-test", "silent");

/** A lane over a list of numbers, whose pieces end when the test says so. */
function listLane(pieces: number[], capacity: number) {
  const begun: number[] = [];
  const gates = new Map<number, PromiseWithResolvers<void>>();
  const lane: Lane<number> = {
    name: "list",
    capacity,
    take: async (limit) => pieces.splice(0, limit),
    async handle(piece) {
      begun.push(piece);
      const gate = Promise.withResolvers<void>();
      gates.set(piece, gate);
      await gate.promise;
    },
  };
  return { lane, begun, end: (piece: number) => gates.get(piece)?.resolve() };
}

test("a lane holds no more pieces than its capacity, and refills when half of it is free", async () => {
  const { lane, begun, end } = listLane([1, 2, 3, 4, 5, 6, 7], 4);
  const lanes = createLanes([lane], 60_000, logger);
  lanes.start();
  await eventually(() => begun.length === 4);
  end(1);
  await eventually(() => {
    lanes.wake();
    return begun.length === 5;
  });
  end(2);
  end(3);
  end(4);
  await eventually(() => begun.length === 7);
  for (const piece of [5, 6, 7]) end(piece);
  await lanes.stop();
});

test("a piece that hangs holds up no other lane, and stopping waits for it", async () => {
  const slow = listLane([1], 1);
  const quick = listLane([2], 1);
  const lanes = createLanes([slow.lane, quick.lane], 5, logger);
  lanes.start();
  await eventually(() => quick.begun.length === 1 && slow.begun.length === 1);
  quick.end(2);
  let isStopped = false;
  const stopped = lanes.stop().then(() => {
    isStopped = true;
  });
  await Promise.resolve();
  expect(isStopped).toBeFalse();
  slow.end(1);
  await stopped;
});

test("a store that is away and a piece that fails are outlived", async () => {
  let tries = 0;
  const handled: number[] = [];
  const lane: Lane<number> = {
    name: "flaky",
    capacity: 2,
    async take() {
      tries += 1;
      if (tries < 3) throw new Error("the store is away");
      return tries === 3 ? [1, 2] : [];
    },
    async handle(piece) {
      if (piece === 1) throw new Error("this piece is bad");
      handled.push(piece);
    },
  };
  const lanes = createLanes([lane], 1, logger);
  lanes.start();
  await eventually(() => handled.length === 1 && tries > 4);
  await lanes.stop();
  expect(handled).toEqual([2]);
});
