import { expect, test } from "bun:test";
import fc from "fast-check";
import { FairShare } from "./fair-share.ts";

/** Shares after so much was sent each second for a minute. */
function steady(rates: Readonly<Record<string, number>>): FairShare {
  const share = new FairShare();
  for (let second = 0; second < 60; second += 1) {
    for (const [tenantId, rate] of Object.entries(rates)) share.note(tenantId, rate);
    share.pass(1_000);
  }
  return share;
}

/** The part of a tenant's requests that passes, from 0 to 1. */
function passing(share: FairShare, tenantId: string): number {
  const draws = Array.from({ length: 1_000 }, (_, index) => (index + 0.5) / 1_000);
  return draws.filter((draw) => !share.isAbove(tenantId, () => draw)).length / draws.length;
}

test("with room for all, nobody is above its share", () => {
  const share = steady({ a: 1_000, b: 1 });
  share.divide(1_001.1);
  expect([passing(share, "a"), passing(share, "b"), passing(share, "unknown")]).toEqual([1, 1, 1]);
});

test("who sends ten times as much as the others gives way, and they notice nothing", () => {
  const share = steady({ big: 10_000, b: 1_000, c: 1_000, d: 1_000 });
  share.divide(6_500);
  expect([passing(share, "b"), passing(share, "c"), passing(share, "d")]).toEqual([1, 1, 1]);
  expect(passing(share, "big")).toBeCloseTo(0.35, 1);
});

test("one alone gets what there is room for, and with no room nothing", () => {
  const share = steady({ a: 1_000 });
  share.divide(250);
  expect(passing(share, "a")).toBeCloseTo(0.25, 1);
  share.divide(0);
  expect(passing(share, "a")).toBe(0);
});

test("who stops sending is forgotten", () => {
  const share = steady({ a: 1_000 });
  for (let second = 0; second < 60; second += 1) share.pass(1_000);
  expect(share.total).toBe(0);
  share.divide(0);
  expect(share.isAbove("a")).toBe(false);
});

test("whatever is sent, what passes is what there is room for, and no more than sent passes of anybody", () => {
  const rates = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(rates, fc.double({ min: 0.05, max: 0.95, noNaN: true }), (list, part) => {
      const named = Object.fromEntries(list.map((rate, index) => [`tenant-${index}`, rate]));
      const share = steady(named);
      share.divide(share.total * part);
      const passed = Object.entries(named).map(([tenantId, rate]) => rate * passing(share, tenantId));
      const sum = passed.reduce((total, rate) => total + rate, 0);
      expect(Math.abs(sum / (share.total * part) - 1)).toBeLessThan(0.05);
    }),
  );
});
