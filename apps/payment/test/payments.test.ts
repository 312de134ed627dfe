import { afterAll, expect, test } from "bun:test";
import { startPaymentApp } from "./payment-app.ts";

const app = await startPaymentApp({ PROCESSOR_TIMEOUT_MS: 300 });
afterAll(() => app.close());

test("a payment is charged once, answered 201 in full, and told in two events", async () => {
  const { id, live } = app.newTenant();
  const body = {
    amount: 4_200,
    currency: "INR",
    description: "Order 7 ✓",
    metadata: { z: "1", a: "2" },
    customer_id: "cus_1",
    card_fingerprint: "fp_1",
    ip: "2001:db8::1",
  };
  const paid = await app.pay(live, body);
  expect(paid.status).toBe(201);
  const { payment_id, created_at, updated_at, ...rest } = paid.json;
  expect(rest).toEqual({
    tenant_id: id,
    mode: "live",
    amount: 4_200,
    amount_captured: 4_200,
    amount_refunded: 0,
    currency: "INR",
    status: "succeeded",
    description: "Order 7 ✓",
    metadata: { z: "1", a: "2" },
    payment_method: "pm_card_ok",
    capture_method: "automatic",
    customer_id: "cus_1",
    error: null,
    fraud: { decision: "allow", score: 0, rules: [], late_flag: false },
  });
  expect(Date.parse(updated_at)).toBeGreaterThanOrEqual(Date.parse(created_at));
  expect(await app.charges([payment_id])).toMatchObject([{ amount: 4_200, is_capture: true, calls: 1 }]);
  const events = await app.sql<{ topic: string; envelope: string }[]>`
    select topic, envelope from outbox where key = ${payment_id} order by id`;
  const told = events.map((event) => JSON.parse(event.envelope));
  expect(told.map((event) => [event.type, event.sequence, event.tenant_id])).toEqual([
    ["payment.created", 1, id],
    ["payment.settled", 2, id],
  ]);
  expect(told[0].data).toMatchObject({ status: "processing", ip: "2001:db8::1", created_at });
  expect(told[1].data).toMatchObject({
    status: "succeeded",
    amount_captured: 4_200,
    scoring: { decision: "allow", source: "score" },
    settled_at: updated_at,
  });
  expect(told[1].request_id).toBe(paid.headers.get("request-id"));
  expect((await app.send("GET", `/payments/${payment_id}`, { key: live })).json).toEqual(paid.json);
});

test.each([
  ["pm_card_insufficient_funds", "insufficient_funds"],
  ["pm_card_declined", "card_declined"],
  ["pm_card_do_not_honor", "do_not_honor"],
  ["pm_card_expired", "expired_card"],
  ["pm_card_invalid_cvv", "invalid_cvv"],
])("%s is answered 402 with the failed payment and %s", async (payment_method, code) => {
  const { live } = app.newTenant();
  const paid = await app.pay(live, { payment_method });
  expect(paid.status).toBe(402);
  expect(paid.headers.get("content-type")).toBe("application/json");
  expect(paid.json).toMatchObject({ status: "failed", amount_captured: 0, payment_method, error: { code } });
  expect(paid.json.error?.message.length).toBeGreaterThan(10);
});

test("a manual capture, a review and a block each end where the contract says", async () => {
  const { live } = app.newTenant();
  app.fraud.decide(({ customer_id }) =>
    customer_id === "suspect"
      ? { decision: "review", score: 55, rules: ["amount_threshold"] }
      : customer_id === "thief"
        ? { decision: "block", score: 99, rules: ["list"] }
        : {},
  );
  const manual = await app.pay(live, { capture_method: "manual" });
  expect([manual.status, manual.json.status, manual.json.amount_captured]).toEqual([201, "authorized", 0]);
  const review = await app.pay(live, { customer_id: "suspect" });
  expect([review.status, review.json.status]).toEqual([201, "flagged"]);
  expect(review.json.fraud).toEqual({
    decision: "review",
    score: 55,
    rules: ["amount_threshold"],
    late_flag: false,
  });
  const blocked = await app.pay(live, { customer_id: "thief" });
  expect([blocked.status, blocked.json.status, blocked.json.error?.code]).toEqual([
    402,
    "flagged",
    "fraud_blocked",
  ]);
  const ids = [manual, review, blocked].map((paid) => paid.json.payment_id);
  const charges = await app.charges(ids);
  expect(new Map(charges.map((charge) => [charge.key, charge.is_capture]))).toEqual(
    new Map(ids.slice(0, 2).map((id) => [id, false])),
  );
  const topics = await app.sql<{ key: string; topic: string }[]>`
    select key, topic from outbox where key = any(${ids}::text[]) and topic <> 'payment.created'`;
  expect(new Map(topics.map((row) => [row.key, row.topic]))).toEqual(
    new Map(ids.map((id, index) => [id, index === 2 ? "payment.settled" : "payment.authorized"])),
  );
  app.fraud.decide(() => ({}));
});

test("a late processor answer gives 202 and is left to recovery, with the same answer to repeats", async () => {
  const { live } = app.newTenant();
  const idempotencyKey = crypto.randomUUID();
  const body = { payment_method: "pm_card_timeout_then_succeeded" };
  const paid = await app.pay(live, body, { idempotencyKey });
  expect([paid.status, paid.json.status]).toEqual([202, "processing"]);
  const again = await app.pay(live, body, { idempotencyKey });
  expect([again.status, again.text, again.headers.get("idempotent-replayed")]).toEqual([
    202,
    paid.text,
    "true",
  ]);
  expect(await app.charges([paid.json.payment_id])).toMatchObject([{ calls: 1 }]);
  const [row] = await app.sql`select due_at > now() as is_due, fraud_decision from payment
    where id = ${paid.json.payment_id}`;
  expect(row).toEqual({ is_due: true, fraud_decision: "allow" });
});

test("respond-async answers 202 at once, and its repeat the final answer", async () => {
  const { live } = app.newTenant();
  const send = { idempotencyKey: crypto.randomUUID(), prefer: "respond-async" };
  const paid = await app.pay(live, {}, send);
  expect([paid.status, paid.json.status]).toEqual([202, "processing"]);
  await app.background.drain();
  const again = await app.pay(live, {}, send);
  expect([again.status, again.json.status]).toEqual([201, "succeeded"]);
  expect(again.headers.get("idempotent-replayed")).toBe("true");
});

test("an amount over the tenant's maximum and an unknown payment method are refused and not remembered", async () => {
  const { live } = app.newTenant({ max_payment_amount: 500 });
  const idempotencyKey = crypto.randomUUID();
  const over = await app.pay(live, { amount: 501 }, { idempotencyKey });
  expect([over.status, over.json]).toMatchObject([422, { code: "amount_over_limit" }]);
  const unknown = await app.pay(live, { amount: 500, payment_method: "pm_card_none" }, { idempotencyKey });
  expect([unknown.status, unknown.json]).toMatchObject([
    400,
    { code: "invalid_request", errors: [{ pointer: "/payment_method" }] },
  ]);
  expect((await app.pay(live, { amount: 500 }, { idempotencyKey })).status).toBe(201);
});

test.each([
  ["amount", [0, -1, 1.5, 1_000_000_000_000, "1000", null]],
  ["currency", ["eur", "EURO", "ZZZ", "", 978]],
  ["description", ["", "a\u0000b", "x".repeat(1_001), 7]],
  ["metadata", [{ k: 1 }, { ["k".repeat(41)]: "v" }, { k: "v".repeat(501) }, [], manyPairs(51)]],
  ["capture_method", ["later", 1]],
  ["customer_id", ["", "c".repeat(256), "a\nb"]],
  ["ip", ["300.1.1.1", "1.2.3", "::g", "fe80::1%eth0", "localhost"]],
  ["surprise", [1]],
])("a wrong %s is 400 and named", async (field, values) => {
  const { live } = app.newTenant();
  for (const value of values) {
    const refused = await app.pay(live, { [field]: value });
    expect([refused.status, refused.json]).toMatchObject([400, { code: "invalid_request" }]);
    // biome-ignore lint/suspicious/noExplicitAny: a problem document, not a payment.
    const { errors } = refused.json as any;
    expect(errors.some((error: { pointer: string }) => error.pointer.startsWith(`/${field}`))).toBe(true);
  }
});

test.each(["203.0.113.9", "2001:db8::ff00:42:8329", "::ffff:192.0.2.1"])("%s is an address", async (ip) => {
  expect((await app.pay(app.newTenant().live, { ip })).status).toBe(201);
});

test("another tenant, the other mode, a malformed id and an unknown one are the same 404", async () => {
  const { live, test: testKey } = app.newTenant();
  const other = app.newTenant();
  const paid = await app.pay(live);
  const seen = await Promise.all([
    app.send("GET", `/payments/${paid.json.payment_id}`, { key: other.live }),
    app.send("GET", `/payments/${paid.json.payment_id}`, { key: testKey }),
    app.send("GET", "/payments/pay_nonsense", { key: live }),
    app.send("GET", "/payments/pay_01h455vb4pex5vsknk084sn02q", { key: live }),
  ]);
  const shown = seen.map(({ status, json }) => ({ status, ...json, request_id: "" }));
  expect(shown.every((one) => one.status === 404 && one.code === "not_found")).toBe(true);
  expect(new Set(shown.map((one) => JSON.stringify(one))).size).toBe(1);
});

test("a key without the scope cannot pay, and nothing is stored", async () => {
  const { id, live } = app.newTenant();
  const refused = await app.pay(`${live}_read`);
  expect([refused.status, refused.json]).toMatchObject([403, { code: "insufficient_scope" }]);
  const [row] = await app.sql`select count(*)::int as count from payment where tenant_id = ${id}`;
  expect(row?.count).toBe(0);
});

function manyPairs(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, "v"]));
}
