import { expect, test } from "bun:test";
import { coalesce } from "./coalesce.ts";

/** Records the batches it is given, and answers each only when told to. */
function recorder() {
  const batches: number[][] = [];
  const release: (() => void)[] = [];
  const run = (requests: readonly number[]) => {
    batches.push([...requests]);
    return new Promise<readonly number[]>((resolve) => {
      release.push(() => resolve(requests.map((request) => request * 2)));
    });
  };
  return { batches, release, run };
}

/** Two turns of the event loop: one for what is due, one for what that made due. */
async function turn(): Promise<void> {
  for (let count = 0; count < 2; count += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

test("requests of one turn go out together, and those that come meanwhile go out on the call's return", async () => {
  const { batches, release, run } = recorder();
  const ask = coalesce<number, number>({ run });
  const first = [ask(1), ask(2)];
  await turn();
  const second = [ask(3), ask(4), ask(5)];
  await turn();
  expect(batches).toEqual([[1, 2]]);
  release.shift()?.();
  expect(await Promise.all(first)).toEqual([2, 4]);
  await turn();
  expect(batches).toEqual([
    [1, 2],
    [3, 4, 5],
  ]);
  release.shift()?.();
  expect(await Promise.all(second)).toEqual([6, 8, 10]);
});

test("with a time to gather, one request alone goes at once and those after a batch are waited for", async () => {
  const { batches, release, run } = recorder();
  const ask = coalesce<number, number>({ run, gatherMs: 60_000 });
  const alone = ask(1);
  await turn();
  expect(batches).toEqual([[1]]);
  const together = [ask(2), ask(3)];
  release.shift()?.();
  await alone;
  await turn();
  expect(batches).toEqual([[1], [2, 3]]);
  release.shift()?.();
  await Promise.all(together);
  const waiting = ask(4);
  await turn();
  expect(batches.length).toBe(2);
  void waiting;
});

test("only the culprit of a failing batch fails, and a full queue refuses the newest", async () => {
  const ask = coalesce<number, number>({
    run: async (requests) => {
      if (requests.includes(13)) throw new Error("unlucky");
      return requests;
    },
    maxWaiting: 5,
    onFull: () => new Error("full"),
  });
  const outcomes = await Promise.allSettled([11, 12, 13, 14, 15, 16].map((number) => ask(number)));
  const shown = outcomes.map((one) =>
    one.status === "fulfilled" ? one.value : (one.reason as Error).message,
  );
  expect(shown).toEqual([11, 12, "unlucky", 14, 15, "full"]);
});

test("an outage fails the batch at once instead of asking for every request by itself", async () => {
  let calls = 0;
  const ask = coalesce<number, number>({
    run: async () => {
      calls += 1;
      throw new Error("away");
    },
    isOutage: () => true,
  });
  const outcomes = await Promise.allSettled([1, 2, 3].map((number) => ask(number)));
  expect(outcomes.every((one) => one.status === "rejected")).toBe(true);
  expect(calls).toBe(1);
});

test("callers take turns, so that one with many waits keeps no other waiting", async () => {
  const { batches, release, run } = recorder();
  const ask = coalesce<number, number>({ run, maxBatch: 4, callerOf: (request) => `${request % 10}` });
  const first = ask(1);
  await turn();
  const rest = [11, 21, 31, 41, 51, 2, 12, 3].map((request) => ask(request));
  for (let call = 0; call < 3; call += 1) {
    release.shift()?.();
    await turn();
  }
  expect(batches).toEqual([[1], [11, 2, 3, 21], [12, 31, 41, 51]]);
  release.shift()?.();
  expect(await Promise.all([first, ...rest])).toHaveLength(9);
});

test("a call has no more weight than it may, but what is too heavy by itself goes alone", async () => {
  const { batches, release, run } = recorder();
  const ask = coalesce<number, number>({ run, weigh: (request) => request, maxWeight: 10 });
  const all = [4, 6, 1, 30, 5, 5].map((request) => ask(request));
  for (let call = 0; call < 4; call += 1) {
    await turn();
    release.shift()?.();
  }
  await Promise.all(all);
  expect(batches).toEqual([[4, 6], [1], [30], [5, 5]]);
});
