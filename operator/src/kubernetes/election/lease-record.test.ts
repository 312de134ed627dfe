import { expect, test } from "bun:test";
import { FakeClock } from "@payflow/testkit/fake-clock.ts";
import {
  fencingTokenOf,
  formatFencingToken,
  isFree,
  type Lease,
  released,
  renewed,
  sight,
  takenOver,
} from "./lease-record.ts";
import { Term, TermOver } from "./term.ts";

const date = new Date("2026-01-01T00:00:00.123Z");
const made: Lease = { metadata: { name: "leader", uid: "u", creationTimestamp: "2026-01-01T00:00:00Z" } };

test("times have six digits, and each term has a number of its own, a holder's second one too", () => {
  const first = takenOver(made, "me", 15_000, date);
  expect(first.spec).toEqual({
    ...{ holderIdentity: "me", leaseDurationSeconds: 15, leaseTransitions: 1 },
    ...{ acquireTime: "2026-01-01T00:00:00.123000Z", renewTime: "2026-01-01T00:00:00.123000Z" },
  });
  expect(takenOver(renewed(first, date), "me", 15_000, date).spec?.leaseTransitions).toBe(2);
  expect(takenOver(released(first, date), "other", 15_000, date).spec?.leaseTransitions).toBe(2);
  expect(formatFencingToken(fencingTokenOf(first))).toBe("leader:1767225600000:1");
});

test("a lease is free when given up, or when seen unchanged for its whole duration by one's own clock", () => {
  const held = takenOver(made, "other", 15_000, date);
  const seen = sight(held, undefined, 1_000);
  expect(isFree(held, sight(held, seen, 15_999), 15_999)).toBe(false);
  expect(isFree(held, sight(held, seen, 16_000), 16_000)).toBe(true);
  const later = renewed(held, new Date("2001-01-01T00:00:00Z"));
  expect(isFree(later, sight(later, seen, 16_000), 16_000)).toBe(false);
  expect(isFree(released(held, date), seen, 1_001)).toBe(true);
});

test("a process that was paused over the end of its term writes nothing, even before its timer tells", () => {
  const clock = new FakeClock();
  const term = new Term(fencingTokenOf(made), clock.now() + 10_000, clock.now);
  clock.advance(9_999);
  term.check();
  term.extend(clock.now() + 10_000);
  clock.advance(9_999);
  term.check();
  clock.advance(1);
  expect(() => term.check()).toThrow(TermOver);
  expect(term.signal.aborted).toBe(true);
  // An answer that was under way over the pause brings nothing back.
  term.extend(clock.now() + 10_000);
  expect(() => term.check()).toThrow(TermOver);
});
