import { expect, test } from "bun:test";
import { firstIdAt, idTimeMs, isId, newId } from "./ids.ts";

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
