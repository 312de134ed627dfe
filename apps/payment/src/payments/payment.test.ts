import { expect, test } from "bun:test";
import { isFinal, type Movable, mayMove, moves, paymentErrors, paymentStatuses } from "./payment.ts";

const payment = (changed: Partial<Movable>): Movable => ({
  status: "processing",
  captureMethod: "automatic",
  fraudDecision: "allow",
  ...changed,
});

test("money that was taken, refused, released or blocked stays so", () => {
  for (const status of ["succeeded", "failed", "voided", "expired"] as const) {
    expect(isFinal(payment({ status }))).toBe(true);
  }
  expect(isFinal(payment({ status: "flagged", fraudDecision: "block" }))).toBe(true);
  expect(isFinal(payment({ status: "flagged", fraudDecision: "review" }))).toBe(false);
  expect(isFinal(payment({ status: "authorized", captureMethod: "manual" }))).toBe(false);
});

test("an approved review is captured at once or waits for its capture, as the payment was made", () => {
  const review = { status: "flagged", fraudDecision: "review" } as const;
  expect(mayMove(payment(review), "succeeded")).toBe(true);
  expect(mayMove(payment(review), "authorized")).toBe(false);
  expect(mayMove(payment({ ...review, captureMethod: "manual" }), "authorized")).toBe(true);
  expect(mayMove(payment({ ...review, captureMethod: "manual" }), "succeeded")).toBe(false);
});

test("nothing goes back to processing, and every state can be reached", () => {
  expect(moves.some((move) => move.to === "processing")).toBe(false);
  const reached = new Set(["processing", ...moves.map((move) => move.to)]);
  expect([...reached].sort()).toEqual([...paymentStatuses].sort());
});

test("every error code has a sentence", () => {
  expect(Object.values(paymentErrors).every((sentence) => /^The .+\.$/.test(sentence))).toBe(true);
});
