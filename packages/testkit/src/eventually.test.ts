import { expect, test } from "bun:test";
import { eventually } from "./eventually.ts";
import { FakeClock } from "./fake-clock.ts";

test("a check is repeated until it holds, and its answer comes back", async () => {
  let tries = 0;
  const answer = await eventually(
    () => {
      tries += 1;
      if (tries === 1) throw new Error("too early");
      return tries >= 3 && `after ${tries}`;
    },
    { everyMs: 1 },
  );
  expect(answer).toBe("after 3");
});

test("a check that never holds ends with what its last try said", () => {
  const never = () => {
    throw new Error("still not there");
  };
  expect(eventually(never, { timeoutMs: 5, everyMs: 1 })).rejects.toThrow("still not there");
  expect(eventually(() => false, { timeoutMs: 5, everyMs: 1 })).rejects.toThrow("Still false after 5 ms");
});

test("a fake clock moves only when it is told to", () => {
  const clock = new FakeClock("2026-03-01T00:00:00Z");
  const { now } = clock;
  clock.advance(72 * 3_600_000);
  expect(new Date(now()).toISOString()).toBe("2026-03-04T00:00:00.000Z");
  expect(() => clock.advance(-1)).toThrow(RangeError);
});
