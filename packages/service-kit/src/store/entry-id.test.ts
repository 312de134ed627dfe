import { expect, test } from "bun:test";
import { compareEntryIds, entryTimeMs } from "./entry-id.ts";

test("ids of entries are in order by time first, then by number, and never as texts", () => {
  const ids = ["999-0", "1000-0", "1000-2", "1000-10", "1763728000000-0"];
  expect(ids.toReversed().toSorted(compareEntryIds)).toEqual(ids);
  expect(compareEntryIds("5-3", "5-3")).toBe(0);
});

test("an entry's id tells when it was added", () => {
  expect(entryTimeMs("1763728000000-12")).toBe(1_763_728_000_000);
});
