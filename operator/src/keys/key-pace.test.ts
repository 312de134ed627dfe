import { expect, test } from "bun:test";
import { KeyPace } from "./key-pace.ts";

test("a tenant gets twenty keys at once and then one in half a minute, whatever others get", () => {
  const pace = new KeyPace();
  const taken = (uid: string, nowMs: number) =>
    Array.from({ length: 100 }, () => pace.take(uid, nowMs)).filter((isTaken) => isTaken).length;
  expect(taken("a", 1_000)).toBe(20);
  expect(taken("b", 1_000)).toBe(20);
  expect(taken("a", 30_999)).toBe(0);
  expect(taken("a", 31_000)).toBe(1);
  expect(taken("a", 31_000 + 120_000)).toBe(4);
  expect(taken("a", 3_600_000)).toBe(20);
});
