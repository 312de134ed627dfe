import { expect, spyOn, test } from "bun:test";
import { check, Story } from "./story.ts";

test("a step that does not hold fails the story, and the later steps are still told", async () => {
  const lines: string[] = [];
  const log = spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  const story = new Story();
  await story.step("pays", async () => "succeeded");
  await story.step("refunds", async () => {
    check(false, "the refund is missing");
    return "never said";
  });
  await story.step("asks for the balance", async () => "as expected");
  const isHolding = story.end();
  log.mockRestore();
  expect(isHolding).toBe(false);
  expect(lines).toEqual([
    "  ok    pays: succeeded",
    "  FAIL  refunds: the refund is missing",
    "  ok    asks for the balance: as expected",
    "\n3 steps, 1 FAILED.",
  ]);
});
