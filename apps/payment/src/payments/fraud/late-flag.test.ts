import { expect, test } from "bun:test";
import { decisions, paymentStatuses } from "../payment.ts";
import { flagEffect, leadingFlag, stricter } from "./late-flag.ts";

test("what a late flag does follows from its decision and the payment's state alone", () => {
  const effects = paymentStatuses.map((status) => {
    const payment = { status, open: null, refundPending: 0 };
    return [
      status,
      flagEffect({ decision: "review", wantsRefund: true }, payment),
      flagEffect({ decision: "block", wantsRefund: false }, payment),
      flagEffect({ decision: "block", wantsRefund: true }, payment),
    ];
  });
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
    const payment = { status: "authorized", open: "capture", refundPending: 0 } as const;
    expect(flagEffect({ decision, wantsRefund: true }, payment)).toBe("wait");
  }
});

test("only a flag that wants the money back waits for a refund that is pending", () => {
  const payment = { status: "succeeded", open: null, refundPending: 1 } as const;
  const effects = decisions.map((decision) => [
    flagEffect({ decision, wantsRefund: true }, payment),
    flagEffect({ decision, wantsRefund: false }, payment),
  ]);
  expect(effects).toEqual([
    ["note", "note"],
    ["note", "note"],
    ["note", "note"],
    ["wait", "note"],
  ]);
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
