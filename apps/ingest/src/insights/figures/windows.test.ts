import { expect, test } from "bun:test";
import fc from "fast-check";
import { blocksIn, judgedSpans, levels, slotOf, windowNames, windowSpans, windows } from "./windows.ts";

const minutes = fc.integer({ min: 28_000_000, max: 32_000_000 });

test("a window ends with the current minute, is at most one record short, and the one before lies against it", () => {
  fc.assert(
    fc.property(minutes, fc.constantFrom(...windowNames), (now, name) => {
      const { minutes: length, level } = windows[name];
      const { current, previous } = windowSpans(name, now);
      expect(current.to).toBe(now + 1);
      expect(current.to - current.from).toBeLessThanOrEqual(length);
      expect(current.to - current.from).toBeGreaterThan(length - level.minutes);
      expect(previous).toEqual({ from: current.from - length, to: current.from });
      expect(current.from % level.minutes).toBe(0);
    }),
  );
});

test("no two records that a window and the one before are made of share a field", () => {
  fc.assert(
    fc.property(minutes, fc.constantFrom(...windowNames), (now, name) => {
      const { level } = windows[name];
      const { current, previous } = windowSpans(name, now);
      const blocks = [...blocksIn(level, previous), ...blocksIn(level, current)];
      expect(new Set(blocks.map((block) => slotOf(level, block))).size).toBe(blocks.length);
    }),
  );
});

test("what is usual is a whole hour that ended before what is judged began, within ten minutes of now", () => {
  fc.assert(
    fc.property(minutes, (minute) => {
      const { window, baseline } = judgedSpans(minute);
      expect(window).toEqual({ from: minute - 4, to: minute + 1 });
      expect(baseline.to - baseline.from).toBe(60);
      expect(baseline.to).toBeLessThanOrEqual(window.from);
      expect(baseline.to).toBeGreaterThan(window.from - 5);
      expect(baseline.to % levels[1].minutes).toBe(0);
    }),
  );
});
