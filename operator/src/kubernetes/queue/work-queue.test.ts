import { expect, test } from "bun:test";
import { FakeClock } from "@payflow/testkit/fake-clock.ts";
import type { QueueMetrics } from "./queue-metrics.ts";
import { WorkQueue } from "./work-queue.ts";

const silent: QueueMetrics = { added() {}, retried() {}, depth() {}, started() {}, finished() {} };

function newQueue(options: { readonly retriesPerSecond?: number; readonly burst?: number } = {}) {
  const clock = new FakeClock();
  const backoff = { firstMs: 100, maxMs: 1_000 };
  const queue = new WorkQueue({ metrics: silent, now: clock.now, backoff, ...options });
  return { clock, queue };
}

function takeAll(queue: WorkQueue): string[] {
  const taken: string[] = [];
  for (let key = queue.take(); key !== undefined; key = queue.take()) taken.push(key);
  return taken;
}

test("a key that is added many times waits once, and keys come in the order of their coming", () => {
  const { queue } = newQueue();
  for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
  expect(takeAll(queue)).toEqual(["a", "b", "c"]);
  expect(queue.waitMs()).toBeUndefined();
});

test("namespaces take turns: one with very many keys, or one changed all the time, keeps no other waiting", () => {
  const { queue } = newQueue();
  for (let number = 0; number < 10_000; number += 1) queue.add(`many/${number}`);
  for (const key of ["few/a", "few/b", "one/a"]) queue.add(key);
  const first = Array.from({ length: 6 }, () => {
    const key = queue.take();
    // It is changed again and again.
    queue.add(key ?? "");
    queue.done(key ?? "");
    return key;
  });
  expect(first).toEqual(["many/0", "few/a", "one/a", "many/1", "few/b", "one/a"]);
});

test("a key is never under way twice: what is added meanwhile comes once after it is done", () => {
  const { queue } = newQueue();
  queue.add("a");
  expect(queue.take()).toBe("a");
  queue.add("a");
  queue.add("a");
  expect(queue.take()).toBeUndefined();
  queue.done("a");
  expect(queue.waitMs()).toBe(0);
  expect(takeAll(queue)).toEqual(["a"]);
  queue.done("a");
  expect(queue.take()).toBeUndefined();
});

test("a key that is to come later comes at its earliest time, or at once when it is added", () => {
  const { clock, queue } = newQueue();
  queue.addAfter("later", 500);
  queue.addAfter("later", 200);
  queue.addAfter("later", 900);
  queue.addAfter("added", 5_000);
  queue.add("added");
  expect(takeAll(queue)).toEqual(["added"]);
  expect(queue.waitMs()).toBe(200);
  clock.advance(199);
  expect(queue.take()).toBeUndefined();
  clock.advance(1);
  expect(takeAll(queue)).toEqual(["later"]);
  clock.advance(10_000);
  expect(queue.take()).toBeUndefined();
});

test("many keys come up by their times", () => {
  const { clock, queue } = newQueue();
  const delays = Array.from({ length: 500 }, (_, index) => 1 + ((index * 7_919) % 500));
  for (const delay of delays) queue.addAfter(`key-${delay}`, delay);
  const taken: string[] = [];
  for (let step = 0; step < 500; step += 1) {
    clock.advance(1);
    taken.push(...takeAll(queue));
  }
  expect(taken).toEqual(delays.toSorted((left, right) => left - right).map((delay) => `key-${delay}`));
});

test("a key's retries come ever later up to a limit, and from the beginning once it went well", () => {
  const { queue } = newQueue();
  const waits = Array.from({ length: 6 }, () => queue.retry("a"));
  expectDelays(waits, [100, 200, 400, 800, 1_000, 1_000]);
  queue.forgetFailures("a");
  expect(queue.retry("a")).toBeLessThanOrEqual(100);
});

test("a key that waits for the same is looked at ever more seldom, and for something else soon again", () => {
  const { clock, queue } = newQueue();
  const backoff = { firstMs: 500, maxMs: 4_000 };
  const wait = (reason: string) => {
    const delay = queue.wait("a", reason, backoff);
    clock.advance(delay - 1);
    expect(queue.take()).toBeUndefined();
    clock.advance(1);
    expect(queue.take()).toBe("a");
    queue.done("a");
    return delay;
  };
  const waits = Array.from({ length: 6 }, () => wait("1 of 2"));
  expectDelays(waits, [500, 1_000, 2_000, 4_000, 4_000, 4_000]);
  // What fails between two looks makes the next of them no sooner.
  clock.advance(queue.retry("a"));
  expect(takeAll(queue)).toEqual(["a"]);
  queue.done("a");
  expectDelays([wait("1 of 2")], [4_000]);
  expectDelays([wait("2 of 3"), wait("2 of 3")], [500, 1_000]);
  queue.forgetWait("a");
  expectDelays([wait("2 of 3")], [500]);
  queue.wait("a", "2 of 3", backoff);
  queue.add("a");
  expect(queue.take()).toBe("a");
});

test("all retries together keep to a rate after their burst, while what is new is not held up", () => {
  const { clock, queue } = newQueue({ retriesPerSecond: 10, burst: 5 });
  const failed = Array.from({ length: 105 }, (_, number) => `key-${number}`);
  for (const key of failed) queue.retry(key);
  clock.advance(100);
  const first = takeAll(queue);
  expect(first.length).toBe(5);
  expect(queue.waitMs()).toBe(100);
  queue.add("new");
  // One that was changed meanwhile is looked at now, and retried no more.
  const changed = failed.find((key) => !first.includes(key)) ?? "";
  queue.add(changed);
  expect(takeAll(queue)).toEqual(["new", changed]);
  let count = 0;
  for (let ms = 0; ms < 9_900; ms += 10) {
    clock.advance(10);
    count += takeAll(queue).length;
  }
  expect(count).toBe(99);
  expect(queue.waitMs()).toBeUndefined();
});

test("a namespace whose thousand objects fail for ever makes neither another's first pass nor its retry wait", () => {
  const { clock, queue } = newQueue({ retriesPerSecond: 100, burst: 200 });
  const failing = Array.from({ length: 1_000 }, (_, number) => `many/${number}`);
  for (const key of failing) queue.add(key);
  let passes = 0;
  const ofOther: number[] = [];
  /** All passes of so much time: those of the many fail, and the first of the other. */
  const run = (forMs: number) => {
    for (const until = clock.now() + forMs; clock.now() < until; clock.advance(1)) {
      for (let key = queue.take(); key !== undefined; key = queue.take()) {
        passes += 1;
        if (key === "few/new") ofOther.push(clock.now());
        if (key !== "few/new" || ofOther.length < 2) queue.retry(key);
        queue.done(key);
      }
    }
  };
  run(10_000);
  // Their first passes, and then as many as the rate lets through with its burst.
  expect(passes).toBeGreaterThan(2_000);
  expect(passes).toBeLessThanOrEqual(1_000 + 200 + 1_000);
  const addedAt = clock.now();
  queue.add("few/new");
  run(500);
  const [first = 0, second = 0] = ofOther.map((at) => at - addedAt);
  expect(first).toBe(0);
  // Its own back-off is 100 ms at most, and its turn comes with the next two retries that are let through.
  expect(second).toBeGreaterThan(0);
  expect(second).toBeLessThanOrEqual(120);
});

/** Each delay is one of a back-off that grows so, jitter apart. */
function expectDelays(delays: readonly number[], ceilings: readonly number[]): void {
  expect(delays.length).toBe(ceilings.length);
  for (const [index, ceiling] of ceilings.entries()) {
    expect(delays[index]).toBeGreaterThanOrEqual(ceiling / 2);
    expect(delays[index]).toBeLessThanOrEqual(ceiling);
  }
}
