import { expect, test } from "bun:test";
import { decisions, paymentStatuses } from "../payment.ts";
import { flagEffect, leadingFlag, stricter } from "./late-flag.ts";

test("what a late flag does follows from its decision and the payment's state alone", () => {
  const effects = paymentStatuses.map((status) => [
    status,
    flagEffect({ decision: "review", wantsRefund: true }, status, null),
    flagEffect({ decision: "block", wantsRefund: false }, status, null),
    flagEffect({ decision: "block", wantsRefund: true }, status, null),
  ]);
  expect(effects).toEqual([
    ["processing", "wait", "wait", "wait"],
    ["succeeded", "note", "note", "refund"],
    ["failed", "note", "note", "note"],
    ["authorized", "note", "void", "void"],
    ["flagged", "note", "note", "note"],
    ["voided", "note", "note", "note"],
    ["expired", "note", "note", "note"],
  ]);
});

test("any flag waits for an open operation", () => {
  for (const decision of decisions) {
    expect(flagEffect({ decision, wantsRefund: true }, "authorized", "capture")).toBe("wait");
  }
});

test("of several flags the strictest leads, and among equals one that wants the refund", () => {
  const flag = (eventId: string, decision: "flag" | "review" | "block", wantsRefund = false) => ({
    eventId,
    decision,
    wantsRefund,
  });
  expect(leadingFlag([])).toBeUndefined();
  const flags = [
    flag("a", "review", true),
    flag("b", "block"),
    flag("d", "block", true),
    flag("c", "block", true),
  ];
  expect(leadingFlag(flags)?.eventId).toBe("c");
});

test("a noted decision only ever becomes stricter", () => {
  expect(stricter(null, "flag")).toBe("flag");
  expect(stricter("review", "block")).toBe("block");
  expect(stricter("block", "flag")).toBe("block");
});
