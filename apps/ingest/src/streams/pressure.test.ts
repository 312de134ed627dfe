import { expect, test } from "bun:test";
import { type Measured, memoryMarks, StoragePressure } from "./pressure.ts";

const calm: Measured = {
  memory: 0,
  queued: 0,
  unreadSeconds: 0,
  drainedPerSecond: 0,
  storedPerSecond: 0,
  elapsedMs: 250,
};

function pressure() {
  return new StoragePressure({
    memory: memoryMarks(false),
    queued: { soft: 100, hard: 200 },
    unreadSeconds: { soft: 1_000 },
  });
}

test("the worst of memory, queue and age decides, and age alone never refuses everybody", () => {
  const judged = (changes: Partial<Measured>) => {
    const one = pressure();
    one.observe({ ...calm, ...changes });
    return one.level;
  };
  expect(judged({})).toBe("none");
  expect(judged({ memory: 0.69, queued: 99, unreadSeconds: 999 })).toBe("none");
  expect([judged({ memory: 0.7 }), judged({ queued: 100 }), judged({ unreadSeconds: 1_000 })]).toEqual([
    "soft",
    "soft",
    "soft",
  ]);
  expect([judged({ memory: 0.8 }), judged({ queued: 200 }), judged({ unreadSeconds: 1e9 })]).toEqual([
    "hard",
    "hard",
    "soft",
  ]);
});

test("on a Redis shared with the bus the marks are 50 and 60 %", () => {
  expect([memoryMarks(true), memoryMarks(false)]).toEqual([
    { soft: 0.5, hard: 0.6 },
    { soft: 0.7, hard: 0.8 },
  ]);
});

test("a level is left only some way below its mark", () => {
  const one = pressure();
  const levels = [0.81, 0.79, 0.77, 0.75, 0.69, 0.67, 0.66].map((memory) => {
    one.observe({ ...calm, memory });
    return one.level;
  });
  expect(levels).toEqual(["hard", "hard", "hard", "soft", "soft", "soft", "none"]);
});

test("at the soft mark those above their share are refused in part, and the others not at all", () => {
  const one = pressure();
  for (let second = 0; second < 30; second += 1) {
    one.note("big", 2_500);
    one.note("small", 100);
    one.observe({ ...calm, memory: 0.75, drainedPerSecond: 6_000, storedPerSecond: 10_400 });
  }
  const refused = (tenantId: string) =>
    Array.from({ length: 2_000 }, () => one.isAbove(tenantId)).filter(Boolean).length / 2_000;
  expect(refused("small")).toBe(0);
  expect(refused("unknown")).toBe(0);
  expect(Math.abs(refused("big") - 0.44)).toBeLessThan(0.08);
  one.observe({ ...calm, memory: 0.1 });
  expect(refused("big")).toBe(0);
});

test("a tenant whose parking is full is refused at any level, and nobody else", () => {
  const one = pressure();
  one.setParkingFull(new Set(["away"]));
  expect([one.isAbove("away"), one.isAbove("other")]).toEqual([true, false]);
  one.setParkingFull(new Set());
  expect(one.isAbove("away")).toBe(false);
});
