import { expect, test } from "bun:test";
import type { Scoring } from "../payments/conclude.ts";
import { decisions } from "../payments/payment.ts";
import { lateJudgement } from "./recover-payment.ts";

const scored = (decision: Scoring["decision"], source: Scoring["source"] = "score"): Scoring => ({
  decision,
  score: 50,
  rules: [],
  source,
});

test("only a score that would have stopped what was done is a late judgement", () => {
  const captured = { kind: "captured", amount: 1 } as const;
  const authorized = { kind: "authorized", amount: 1 } as const;
  const failed = { kind: "failed", error: { code: "card_declined", message: "no" } } as const;
  expect(decisions.map((decision) => lateJudgement(scored(decision), captured))).toEqual([
    null,
    null,
    "review",
    "block",
  ]);
  expect(decisions.map((decision) => lateJudgement(scored(decision), authorized))).toEqual([
    null,
    null,
    null,
    "block",
  ]);
  expect(lateJudgement(scored("block"), failed)).toBeNull();
  expect(lateJudgement(scored("block", "fail_mode"), captured)).toBeNull();
});
