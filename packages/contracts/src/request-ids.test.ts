import { expect, test } from "bun:test";
import { TypeID } from "typeid-js";
import { newRequestId } from "./ids.ts";

test("a request's id is a TypeID of a UUIDv7 with the present time, and one of a kind", () => {
  const before = Date.now();
  const ids = Array.from({ length: 2_000 }, newRequestId);
  const after = Date.now();
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) {
    const parsed = TypeID.fromString(id);
    expect(parsed.getType()).toBe("req");
    const uuid = parsed.toUUID();
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const time = Number.parseInt(uuid.replaceAll("-", "").slice(0, 12), 16);
    expect(time).toBeWithin(before, after + 1);
  }
});

test("every bit of a request's id that is not fixed is random", () => {
  const uuids = Array.from({ length: 400 }, () =>
    BigInt(`0x${TypeID.fromString(newRequestId()).toUUID().replaceAll("-", "")}`),
  );
  const fixed = new Set([76, 77, 78, 79, 62, 63]);
  for (let bit = 0; bit < 80; bit += 1) {
    const ones = uuids.filter((uuid) => ((uuid >> BigInt(bit)) & 1n) === 1n).length;
    // Of 400 fair throws fewer than 100 or more than 300 heads come once in 10^23 times.
    if (!fixed.has(bit)) expect(ones).toBeWithin(100, 301);
  }
});
