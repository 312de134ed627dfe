import { afterAll, beforeAll, expect, test } from "bun:test";
import { type PaymentApp, startPaymentApp } from "./payment-app.ts";

let app: PaymentApp;
const outbox = { isReached: false };
let limited: ReturnType<PaymentApp["replica"]>;
beforeAll(async () => {
  app = await startPaymentApp();
  limited = app.replica({ outboxLimit: outbox });
});
afterAll(() => app.close());

test("beyond the outbox's limit new payments and refunds are refused, and everything else goes on", async () => {
  const tenant = app.newTenant();
  const key = tenant.live;
  const first = { idempotencyKey: crypto.randomUUID() };
  const paid = await limited.pay(key, {}, first);
  const manual = await limited.pay(key, { capture_method: "manual" });
  const refunds = `/payments/${paid.json.payment_id}/refunds`;
  const refund = { key, idempotencyKey: crypto.randomUUID(), body: { amount: 10 } };
  const refunded = await limited.send("POST", refunds, refund);
  expect([paid.status, manual.status, refunded.status]).toEqual([201, 201, 201]);

  outbox.isReached = true;
  const refusedKey = { idempotencyKey: crypto.randomUUID() };
  const refused = await limited.pay(key, {}, refusedKey);
  expect(refused.status).toBe(503);
  expect(refused.json).toMatchObject({ code: "unavailable" });
  expect(refused.headers.get("retry-after")).toBe("5");
  const other = await limited.send("POST", refunds, { ...refund, idempotencyKey: crypto.randomUUID() });
  expect([other.status, other.headers.get("retry-after")]).toEqual([503, "5"]);

  const repeats = [await limited.pay(key, {}, first), await limited.send("POST", refunds, refund)];
  expect(repeats.map(({ text }) => text)).toEqual([paid.text, refunded.text]);
  expect(repeats.map(({ headers }) => headers.get("idempotent-replayed"))).toEqual(["true", "true"]);
  const reused = await limited.pay(key, { amount: 2_000 }, first);
  expect(reused.status).toBe(422);
  expect((await limited.send("GET", `/payments/${paid.json.payment_id}`, { key })).status).toBe(200);
  expect((await limited.send("GET", "/payments", { key })).status).toBe(200);
  const captured = await limited.send("POST", `/payments/${manual.json.payment_id}/capture`, {
    key,
    idempotencyKey: crypto.randomUUID(),
    body: {},
  });
  expect(captured.status).toBe(200);

  outbox.isReached = false;
  expect((await limited.pay(key, {}, refusedKey)).status).toBe(201);
});
