import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Assignment, assignPartitions, type MemberClaim } from "./assignment.ts";

const counts = new Map([
  ["created", 8],
  ["settled", 5],
]);

function claim(memberId: string, owned: Assignment = new Map(), generation = 1): MemberClaim {
  return { memberId, topics: [...counts.keys()], owned, generation };
}

/** Divides until nothing moves any more, each member giving up what it was not assigned. */
function settle(members: readonly MemberClaim[]): { rounds: number; assignments: Map<string, Assignment> } {
  let claims = members;
  for (let rounds = 1; ; rounds += 1) {
    const assignments = assignPartitions(claims, counts);
    const all = [...assignments.values()].flatMap((one) => [...one.values()].flat());
    if (all.length === 13) return { rounds, assignments };
    claims = claims.map((one) => claim(one.memberId, assignments.get(one.memberId), one.generation + 1));
  }
}

test("partitions are divided evenly, each to one member, whoever had what before", () => {
  const owned = fc.dictionary(
    fc.constantFrom("created", "settled"),
    fc.uniqueArray(fc.integer({ min: 0, max: 9 })),
  );
  fc.assert(
    fc.property(fc.array(owned, { minLength: 1, maxLength: 6 }), (had) => {
      const members = had.map((one, index) => claim(`m${index}`, new Map(Object.entries(one)), index));
      const { rounds, assignments } = settle(members);
      expect(rounds).toBeLessThanOrEqual(2);
      for (const [topic, count] of counts) {
        const parts = [...assignments.values()].map((one) => one.get(topic) ?? []);
        expect(parts.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, p) => p));
        const sizes = parts.map((part) => part.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }
    }),
  );
});

test("a partition that moves is nobody's until its reader has given it up, and the rest stays", () => {
  const first = settle([claim("a")]).assignments.get("a");
  const joined = assignPartitions([claim("a", first), claim("b")], counts);
  expect(joined.get("a")?.get("created")).toEqual([0, 1, 2, 3]);
  expect(joined.get("b")?.get("created")).toEqual([]);
  const second = assignPartitions([claim("a", joined.get("a")), claim("b")], counts);
  expect(second.get("a")).toEqual(joined.get("a") ?? new Map());
  expect(second.get("b")?.get("created")).toEqual([4, 5, 6, 7]);
});

test("of two members that claim a partition the one of the earlier generation loses it", () => {
  const both = new Map([["settled", [0, 1, 2]]]);
  const assigned = assignPartitions([claim("stale", both, 3), claim("present", both, 4)], counts);
  expect(assigned.get("present")?.get("settled")).toEqual([0, 1, 2]);
});
