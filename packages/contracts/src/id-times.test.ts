import { expect, test } from "bun:test";
import { derivedId, firstIdAt, idTimeMs, isId, newId } from "./ids.ts";

test("an id tells when it was made", () => {
  const before = Date.now();
  const id = newId("pay");
  expect(idTimeMs(id)).toBeGreaterThanOrEqual(before);
  expect(idTimeMs(id)).toBeLessThanOrEqual(Date.now());
});

test("the first id of a moment is well-formed and not above any id made then", () => {
  const id = newId("evt");
  const first = firstIdAt("evt", idTimeMs(id));
  expect(isId("evt", first)).toBe(true);
  expect(first <= id).toBe(true);
  expect(firstIdAt("evt", idTimeMs(id) + 1) > id).toBe(true);
});

test("an id derived from parts is well-formed, the same each time, and another for any other parts", () => {
  const id = derivedId("evt", ["ten_1", "live", "merchant", "a"]);
  expect(isId("evt", id)).toBe(true);
  expect(derivedId("evt", ["ten_1", "live", "merchant", "a"])).toBe(id);
  const others = [
    ["ten_1", "test", "merchant", "a"],
    ["ten_1", "live", "merchan", "ta"],
    ["ten_1live", "merchant", "a"],
  ];
  expect(new Set([id, ...others.map((parts) => derivedId("evt", parts))]).size).toBe(4);
});
