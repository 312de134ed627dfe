import { expect, test } from "bun:test";
import type { PaymentRow } from "../schema.ts";
import { conclude, type PaymentOutcome, type Scoring } from "./conclude.ts";
import { type Decision, mayMove } from "./payment.ts";

const now = new Date("2026-01-02T00:00:00Z");
const scoring = (decision: Decision | null): Scoring => ({ decision, score: 10, rules: [], source: "score" });
const authorized: PaymentOutcome = { kind: "authorized", amount: 100 };

function newRow(captureMethod: PaymentRow["captureMethod"]): PaymentRow {
  return {
    ...{ id: "pay_1", tenantId: "ten_1", mode: "test", amount: 100, amountCaptured: 0, amountRefunded: 0 },
    ...{
      refundPending: 0,
      currency: "EUR",
      status: "processing",
      captureMethod,
      paymentMethod: "pm_card_ok",
    },
    ...{ description: null, metadata: null, customerId: null, cardFingerprint: null, ip: null },
    ...{ errorCode: null, errorMessage: null, fraudDecision: null, fraudScore: null, fraudRules: null },
    ...{ scoringSource: "none", lateDecision: null, sequence: 1, requestId: "req_1", idempotencyKey: "0" },
    ...{ fence: 1, dueAt: null, inquiries: 0, createdAt: now, updatedAt: now, settledAt: null },
  };
}

test("what the processor did is the truth, whatever fraud says", () => {
  for (const decision of ["allow", "flag", "review", "block", null] as const) {
    const captured = conclude(newRow("automatic"), scoring(decision), { kind: "captured", amount: 100 }, now);
    expect([captured.status, captured.amountCaptured, captured.settledAt]).toEqual(["succeeded", 100, now]);
    const error = { code: "card_declined", message: "No." };
    const failed = conclude(newRow("automatic"), scoring(decision), { kind: "failed", error }, now);
    expect([failed.status, failed.errorCode, failed.amountCaptured]).toEqual(["failed", "card_declined", 0]);
  }
});

test("money set aside waits for its capture, or for a review where somebody must look", () => {
  const status = (captureMethod: PaymentRow["captureMethod"], decision: Decision | null) => {
    const row = conclude(newRow(captureMethod), scoring(decision), authorized, now);
    return [row.status, row.fraudDecision, row.settledAt];
  };
  expect(status("manual", "allow")).toEqual(["authorized", "allow", null]);
  expect(status("manual", "review")).toEqual(["flagged", "review", null]);
  expect(status("manual", "block")).toEqual(["flagged", "review", null]);
  expect(status("automatic", "allow")).toEqual(["flagged", "review", null]);
  expect(status("automatic", null)).toEqual(["flagged", "review", null]);
});

test("every conclusion is a move of the transition table and counts one event", () => {
  const outcomes: PaymentOutcome[] = [
    authorized,
    { kind: "failed", error: { code: "card_declined", message: "No." } },
    { kind: "blocked" },
  ];
  for (const captureMethod of ["automatic", "manual"] as const) {
    for (const outcome of outcomes) {
      const before = newRow(captureMethod);
      const after = conclude(before, scoring("block"), outcome, now);
      expect(mayMove(before, after.status)).toBe(true);
      expect(after.sequence).toBe(2);
    }
  }
});
