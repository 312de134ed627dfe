import { expect, test } from "bun:test";
import type { Failure } from "../../../concurrency/finish-batch.ts";
import { decodeFailures, encodeFailures } from "./failure-note.ts";

const at = "2026-01-01T00:00:07.000Z";

function failure(tries: number, isBuried = false): Failure {
  return { tries, reason: "", firstFailedAt: at, lastFailedAt: at, ...(isBuried ? { isBuried } : {}) };
}

test("tries and what is buried come back from the note; what the position has passed does not", () => {
  const failures = new Map([
    ["90", failure(4)],
    ["100", failure(2)],
    ["101", failure(2)],
    ["105", failure(5, true)],
    ["4000", failure(1)],
  ]);
  const note = encodeFailures(failures, 100);
  failures.delete("90");
  expect(decodeFailures(note, 100)).toEqual(failures);
});

test("a batch of which every event fails has a note of a few characters", () => {
  const failures = new Map(Array.from({ length: 500 }, (_, index) => [`${7_000 + index}`, failure(3)]));
  const note = encodeFailures(failures, 7_000);
  expect(note.length).toBeLessThan(20);
  expect(decodeFailures(note, 7_000).size).toBe(500);
});

test("a note is never longer than a broker takes, and keeps what is buried", () => {
  const seconds = (index: number) => new Date(Date.parse(at) + index * 1_000).toISOString();
  const failures = new Map(
    Array.from({ length: 1_000 }, (_, index) => [
      `${index * 2}`,
      { ...failure(index === 999 ? 5 : 1, index === 999), firstFailedAt: seconds(index) },
    ]),
  );
  const note = encodeFailures(failures, 0);
  expect(note.length).toBeLessThanOrEqual(4_000);
  expect(decodeFailures(note, 0).get("1998")?.isBuried).toBe(true);
});

test("a note that another program wrote is no failure", () => {
  expect(decodeFailures("written by hand", 1).size).toBe(0);
  expect(decodeFailures(null, 1).size).toBe(0);
});
