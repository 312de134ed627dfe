import { afterAll, expect, test } from "bun:test";
import { startPaymentApp } from "./payment-app.ts";

const app = await startPaymentApp({ FRAUD_TIMEOUT_MS: 100 });
afterAll(() => app.close());

const settledOf = async (paymentId: string) => {
  const [row] = await app.sql<{ envelope: string }[]>`
    select envelope from outbox where key = ${paymentId} and topic <> 'payment.created'`;
  return JSON.parse(row?.envelope ?? "null");
};

test("concurrent payments are scored in a few calls, each payment once", async () => {
  const { live } = app.newTenant();
  const before = app.fraud.asked.length;
  const paid = await Promise.all(Array.from({ length: 100 }, () => app.pay(live, { customer_id: "c" })));
  const asked = app.fraud.asked.slice(before).map((one) => one.payment_id);
  expect(asked.sort()).toEqual(paid.map((one) => one.json.payment_id).sort());
  expect(app.fraud.asked.at(-1)).toMatchObject({
    amount: 1_000,
    currency: "EUR",
    customer_id: "c",
    mode: "live",
  });
});

test("fraud too late: an unknown tenant's payment is reviewed, and says by whose decision", async () => {
  const { live } = app.newTenant();
  app.fraud.delay(400);
  const paid = await app.pay(live);
  app.fraud.delay(0);
  expect([paid.status, paid.json.status]).toEqual([201, "flagged"]);
  expect(paid.json.fraud).toEqual({
    decision: "review",
    score: null,
    rules: ["fail_mode"],
    late_flag: false,
  });
  expect(await settledOf(paid.json.payment_id)).toMatchObject({
    type: "payment.authorized",
    data: { status: "flagged", scoring: { decision: "review", source: "fail_mode" } },
  });
  expect(await app.charges([paid.json.payment_id])).toMatchObject([{ is_capture: false }]);
});

test.each([
  ["allow", 201, "succeeded"],
  ["review", 201, "flagged"],
  ["block", 402, "flagged"],
] as const)(
  "the tenant's fail mode %s, once known, decides while fraud is late",
  async (mode, status, state) => {
    const { live, test: testKey } = app.newTenant();
    app.fraud.decide(() => ({ fail_mode: mode }));
    expect((await app.pay(live)).json.status).toBe("succeeded");
    app.fraud.delay(400);
    const paid = await app.pay(live);
    expect([paid.status, paid.json.status, paid.json.fraud.decision]).toEqual([status, state, mode]);
    const otherMode = await app.pay(testKey);
    expect(otherMode.json.fraud.decision).toBe("review");
    app.fraud.delay(0);
    app.fraud.decide(() => ({}));
    expect((await app.charges([paid.json.payment_id])).length).toBe(mode === "block" ? 0 : 1);
  },
);

test("an answer that fraud's contract does not allow counts as none", async () => {
  const { live } = app.newTenant();
  // The contract knows no such decision.
  app.fraud.decide(() => ({ decision: "maybe" as "allow" }));
  expect((await app.pay(live)).json.fraud.decision).toBe("review");
  app.fraud.decide(() => ({}));
});

test("payments go on with fraud gone altogether", async () => {
  const { live } = app.newTenant();
  app.fraud.stop();
  const paid = await Promise.all(Array.from({ length: 20 }, () => app.pay(live)));
  expect(paid.every((one) => one.status === 201 && one.json.fraud.decision === "review")).toBe(true);
});
