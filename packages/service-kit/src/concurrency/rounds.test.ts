import { expect, test } from "bun:test";
import { createLogger } from "../telemetry/logging.ts";
import { startRounds } from "./rounds.ts";

const options = { logger: createLogger("test", "silent"), failure: "a round failed", everyMs: 3_600_000 };

/** Resolves with how many rounds began once `wanted` of them have. */
function counted(wanted: number) {
  const reached = Promise.withResolvers<number>();
  let begun = 0;
  return {
    reached: reached.promise,
    begin() {
      begun += 1;
      if (begun === wanted) reached.resolve(begun);
    },
  };
}

test("a round that throws is followed by another", async () => {
  const rounds = counted(3);
  const running = startRounds({
    ...options,
    againMs: 1,
    round: async () => {
      rounds.begin();
      throw new Error("away");
    },
  });
  expect(await rounds.reached).toBe(3);
  await running.stop();
});

test("a round says when the next one comes", async () => {
  const rounds = counted(3);
  const running = startRounds({
    ...options,
    round: async () => {
      rounds.begin();
      return 1;
    },
  });
  expect(await rounds.reached).toBe(3);
  await running.stop();
});

test("being woken during a round is not forgotten at its end", async () => {
  const rounds = counted(2);
  const running = startRounds({
    ...options,
    round: async () => {
      rounds.begin();
      await Promise.resolve();
      running.wake();
    },
  });
  expect(await rounds.reached).toBe(2);
  await running.stop();
});

test("stopping tells the round under way and waits for its end", async () => {
  let hasEnded = false;
  const begun = Promise.withResolvers<void>();
  const running = startRounds({
    ...options,
    round: async (signal) => {
      begun.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      hasEnded = true;
    },
  });
  await begun.promise;
  await running.stop();
  expect(hasEnded).toBe(true);
});

test("rounds keep their distance however often they are woken, unless one asks to go on at once", async () => {
  const rounds = counted(4);
  const begunAt: number[] = [];
  const running = startRounds({
    ...options,
    gapMs: 30,
    round: async () => {
      begunAt.push(performance.now());
      rounds.begin();
      setImmediate(() => running.wake());
      return begunAt.length === 1 ? 0 : undefined;
    },
  });
  await rounds.reached;
  await running.stop();
  const [first, second, third, fourth] = begunAt.map((at) => at - (begunAt[0] ?? 0));
  expect([first, (second ?? 100) < 20, (third ?? 0) >= 28, (fourth ?? 0) >= 58]).toEqual([
    0,
    true,
    true,
    true,
  ]);
});
