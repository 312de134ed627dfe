import { expect, test } from "bun:test";
import { differingFields } from "./drift.ts";

const found = { name: "a", limits: { burst: 1, rate: null }, scopes: ["x", "y"], made: "long ago" };

test("names the fields that differ by their paths, and none that only one side has an opinion of", () => {
  expect(differingFields({ name: "a", scopes: ["y", "x"], limits: { rate: null } }, found)).toEqual([]);
  const wanted = { name: "b", limits: { burst: 2, rate: null, more: 1 }, scopes: ["x"] };
  expect(differingFields(wanted, found)).toEqual(["name", "limits.burst", "limits.more", "scopes"]);
  expect(differingFields({ limits: { burst: 1 } }, { limits: null })).toEqual(["limits.burst"]);
});
