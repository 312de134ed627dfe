import { expect, test } from "bun:test";
import { captureMethods, decisions, mayMove, paymentStatuses } from "../payments/payment.ts";
import { admits, operationKinds, processorCall, refusal, resultingStatus } from "./operation.ts";

test("an operation is admitted only where the payment may then move to its result", () => {
  let admitted = 0;
  for (const status of paymentStatuses) {
    for (const captureMethod of captureMethods) {
      for (const fraudDecision of [null, ...decisions]) {
        for (const kind of operationKinds) {
          const payment = { status, captureMethod, fraudDecision };
          if (!admits(kind, payment)) continue;
          admitted += 1;
          expect([kind, payment, mayMove(payment, resultingStatus(kind, captureMethod))]).toEqual([
            kind,
            payment,
            true,
          ]);
        }
      }
    }
  }
  expect(admitted).toBeGreaterThan(0);
});

test("each operation asks the processor for what it stands for", () => {
  expect(
    operationKinds.map((kind) => [kind, processorCall(kind, "automatic"), processorCall(kind, "manual")]),
  ).toEqual([
    ["capture", "capture", "capture"],
    ["void", "void", "void"],
    ["approve", "capture", null],
    ["reject", "void", "void"],
    ["expire", "void", "void"],
    ["flag_void", "void", "void"],
  ]);
});

test("a refusal names the state, or the operation that is open", () => {
  const payment = { status: "voided", captureMethod: "manual", fraudDecision: null } as const;
  expect(refusal("capture", payment, null)).toBe("The payment is voided; capture is not possible.");
  expect(refusal("capture", payment, "flag_void")).toBe("The payment has an open operation: void.");
  const review = { status: "flagged", captureMethod: "manual", fraudDecision: "review" } as const;
  expect(refusal("void", review, null)).toContain("under review");
});
