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
  for (const [index, ceiling] of [100, 200, 400, 800, 1_000, 1_000].entries()) {
    expect(waits[index]).toBeGreaterThanOrEqual(ceiling / 2);
    expect(waits[index]).toBeLessThanOrEqual(ceiling);
  }
  queue.forget("a");
  expect(queue.retry("a")).toBeLessThanOrEqual(100);
});

test("all retries together keep to a rate after their burst, while what is new is not held up", () => {
  const { clock, queue } = newQueue({ retriesPerSecond: 10, burst: 5 });
  const waits = Array.from({ length: 105 }, (_, index) => queue.retry(`key-${index}`));
  expect(waits.slice(0, 5).every((ms) => ms <= 100)).toBe(true);
  expect(waits.at(-1)).toBe(10_000);
  queue.add("new");
  expect(queue.take()).toBe("new");
  clock.advance(60_000);
  expect(queue.retry("calm")).toBeLessThanOrEqual(100);
});
