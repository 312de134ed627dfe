import { afterAll, expect, test } from "bun:test";
import { testPostgres } from "@payflow/testkit/postgres.ts";
import postgres from "postgres";
import { CreatePaymentBody } from "../src/payments/payments.contract.ts";
import { withDeadline } from "../src/processor/deadline.ts";
import { OutcomeUnknown } from "../src/processor/processor.ts";
import { findCharges, findFollowUps } from "../src/processor/simulated.store.ts";
import { simulatedPaymentMethods, simulatedProcessor } from "../src/processor/simulated.ts";

const database = await testPostgres("processor");
const sql = postgres(database.serviceUrl, { max: 8 });
const replica = () => simulatedProcessor({ sql, seed: "test", slowMs: 30 });
const processor = withDeadline(replica(), 500);

afterAll(async () => {
  await sql.end();
  await database.drop();
});

let made = 0;
const newKey = () => `pay_${process.pid}_${++made}`;
const charge = (paymentMethod: string, capture = true, key = newKey()) => ({
  key,
  amount: 900,
  currency: "EUR",
  paymentMethod,
  capture,
});

test("each decline token fails with its own code", async () => {
  const codes: Record<string, string> = {};
  const tokens = ["insufficient_funds", "declined", "do_not_honor", "expired", "invalid_cvv"];
  for (const token of tokens) {
    const outcome = await processor.authorize(charge(`pm_card_${token}`));
    if (outcome.kind === "failed") codes[token] = outcome.error.code;
  }
  expect(codes).toEqual({
    insufficient_funds: "insufficient_funds",
    declined: "card_declined",
    do_not_honor: "do_not_honor",
    expired: "expired_card",
    invalid_cvv: "invalid_cvv",
  });
});

test("a hundred calls with one key through two replicas charge once and answer the same", async () => {
  const call = charge("pm_card_ok");
  const replicas = [replica(), replica()];
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, (_, index) => replicas[index % 2]?.authorize(call)),
  );
  expect(new Set(outcomes.map((one) => JSON.stringify(one))).size).toBe(1);
  const [row, ...others] = await findCharges(sql, [call.key]);
  expect(others).toEqual([]);
  expect(row).toMatchObject({ amount: 900, is_capture: true, error_code: null });
});

test("a repeated key keeps the first effect, whatever else the call says", async () => {
  const call = charge("pm_card_ok", false);
  expect(await processor.authorize(call)).toEqual({ kind: "authorized", amount: 900 });
  expect(await processor.authorize({ ...call, amount: 5, capture: true })).toEqual({
    kind: "authorized",
    amount: 900,
  });
});

test.each([
  ["pm_card_timeout_then_succeeded", { kind: "captured", amount: 900 }],
  ["pm_card_timeout_then_failed", { kind: "failed" }],
])("%s loses the answer after recording the effect", async (token, truth) => {
  const call = charge(token);
  await expect(withDeadline(replica(), 50).authorize(call)).rejects.toBeInstanceOf(OutcomeUnknown);
  expect(await replica().inquire(newKey())).toEqual({ kind: "not_found" });
  expect(await replica().inquire(call.key)).toMatchObject(truth);
});

test("pm_card_random follows from seed and payment alone, and declines about one in ten", async () => {
  const calls = Array.from({ length: 500 }, () => charge("pm_card_random"));
  const first = await Promise.all(calls.map((call) => processor.authorize(call)));
  const declined = first.filter((one) => one.kind === "failed").length;
  expect(declined).toBeGreaterThan(20);
  expect(declined).toBeLessThan(90);
  const otherSeed = simulatedProcessor({ sql, seed: "another" });
  const renamed = calls.map((call) => ({ ...call, key: `${call.key}_again` }));
  const again = await Promise.all(renamed.map((call) => otherSeed.authorize(call)));
  expect(again.map((one) => one.kind)).not.toEqual(first.map((one) => one.kind));
});

test("of a capture and a void at once one succeeds", async () => {
  for (let round = 0; round < 10; round += 1) {
    const call = charge("pm_card_ok", false);
    await processor.authorize(call);
    const [captured, voided] = await Promise.all([
      processor.capture({ key: `${call.key}_c`, paymentId: call.key, amount: 500 }),
      replica().void({ key: `${call.key}_v`, paymentId: call.key }),
    ]);
    expect([captured.kind, voided.kind].sort()).toEqual(["done", "failed"]);
    const effects = (await findFollowUps(sql, [call.key])).filter((one) => one.error_code === null);
    expect(effects.length).toBe(1);
  }
});

test("refunds never exceed what was captured, and pm_card_refund_fails refuses them", async () => {
  const call = charge("pm_card_ok", false);
  await processor.authorize(call);
  await processor.capture({ key: `${call.key}_c`, paymentId: call.key, amount: 500 });
  const refunds = await Promise.all(
    [1, 2, 3].map((n) => processor.refund({ key: `${call.key}_r${n}`, paymentId: call.key, amount: 250 })),
  );
  expect(refunds.filter((one) => one.kind === "done").length).toBe(2);
  const stubborn = charge("pm_card_refund_fails");
  expect(await processor.authorize(stubborn)).toMatchObject({ kind: "captured" });
  const refund = { key: `${stubborn.key}_r`, paymentId: stubborn.key, amount: 1 };
  expect(await processor.refund(refund)).toMatchObject({
    kind: "failed",
    error: { code: "refund_declined" },
  });
  expect(await processor.inquire(refund.key)).toMatchObject({ kind: "failed" });
});

test("an unknown payment method is not accepted, nor is a name every object has", () => {
  expect(simulatedPaymentMethods.every((method) => processor.accepts(method))).toBe(true);
  const { description } = CreatePaymentBody.properties.payment_method;
  expect(simulatedPaymentMethods.filter((method) => !description?.includes(`\`${method}\``))).toEqual([]);
  expect(processor.accepts("pm_card_none")).toBe(false);
  expect(processor.accepts("constructor")).toBe(false);
});
