import { expect, test } from "bun:test";
import { readOutcome, sumOutcomes, totalLine } from "./outcome.ts";

const output = [
  "(pass) one",
  "(skip) the clock jumps (needs libfaketime)",
  "(fail) two",
  "",
  " 4 pass",
  " 1 skip",
  " 2 fail",
  " 9 expect() calls",
].join("\n");

test("the counts are those of the summary, and skipped tests are named", () => {
  expect(readOutcome("tests", output, 1)).toEqual({
    passed: 4,
    failed: 2,
    skipped: 1,
    skippedNames: ["the clock jumps (needs libfaketime)"],
  });
});

test("a process that failed without a failed test counts as a failure", () => {
  expect(readOutcome("tests", " 4 pass\n 0 fail\n", 137)).toMatchObject({ passed: 4, failed: 1 });
  expect(readOutcome("tests", " 0 pass\n 0 fail\n 1 error\n", 1)).toMatchObject({ failed: 1 });
  expect(readOutcome("check", "", 1)).toMatchObject({ passed: 0, failed: 1 });
});

test("numbers that a test prints are not taken for the summary", () => {
  expect(readOutcome("tests", " 99 pass\n 3 pass\n 0 fail\n", 0)).toMatchObject({ passed: 3, failed: 0 });
});

test("the total is the line that CI reads", () => {
  const passing = readOutcome("check", "", 0);
  expect(totalLine(sumOutcomes([passing, passing, readOutcome("tests", output, 1)]))).toBe(
    "6 passed, 2 failed, 1 skipped",
  );
});
