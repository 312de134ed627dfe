import { describe, expect, test } from "bun:test";
import { FakeClock } from "@payflow/testkit/fake-clock.ts";
import { dueRuns, type LatestRuns } from "./run.ts";

const schedule = { intervalSeconds: 60, nightly: "0 2 * * *" };
const none: LatestRuns = { open: new Set() };

describe("the continuous run", () => {
  test("is due at once, and then an interval after the one before was asked for", () => {
    const clock = new FakeClock("2026-03-01T10:00:00Z");
    expect(dueRuns(schedule, none, clock.date())).toEqual(["continuous"]);
    const latest = { ...none, continuousAt: clock.date(), firstAt: clock.date() };
    clock.advance(59_999);
    expect(dueRuns(schedule, latest, clock.date())).toEqual([]);
    clock.advance(1);
    expect(dueRuns(schedule, latest, clock.date())).toEqual(["continuous"]);
  });

  test("waits for the end of the one before", () => {
    const latest = { continuousAt: new Date(0), open: new Set(["continuous"] as const) };
    expect(dueRuns(schedule, latest, new Date("2026-03-01T10:00:00Z"))).toEqual([]);
  });
});

describe("the nightly run", () => {
  test("is due once a night at its hour in UTC, over a month", () => {
    const clock = new FakeClock("2026-03-01T10:00:00Z");
    const firstAt = clock.date();
    let fullAt: Date | undefined;
    const asked: string[] = [];
    for (let minute = 0; minute < 30 * 24 * 60; minute += 1) {
      clock.advance(60_000);
      const latest = { continuousAt: clock.date(), fullAt, firstAt, open: new Set<never>() };
      if (!dueRuns(schedule, latest, clock.date()).includes("full")) continue;
      fullAt = clock.date();
      asked.push(fullAt.toISOString());
    }
    expect(asked).toHaveLength(30);
    expect(asked.every((at) => at.endsWith("T02:00:00.000Z"))).toBe(true);
    expect(new Set(asked).size).toBe(30);
  });

  test("that was missed is made up for once", () => {
    const latest = {
      ...none,
      fullAt: new Date("2026-03-01T02:00:00Z"),
      continuousAt: new Date("2026-03-04T11:59:59Z"),
    };
    const now = new Date("2026-03-04T12:00:00Z");
    expect(dueRuns(schedule, latest, now)).toEqual(["full"]);
    expect(dueRuns(schedule, { ...latest, fullAt: now }, now)).toEqual([]);
  });
});
