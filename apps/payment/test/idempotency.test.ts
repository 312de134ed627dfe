import { afterAll, expect, test } from "bun:test";
import type { TransactionSql } from "@payflow/service-kit/store/database.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { forgetAnswers } from "../src/idempotency/forget-answers.ts";
import { claimKey } from "../src/idempotency/idempotency.store.ts";
import { startPaymentApp } from "./payment-app.ts";

const app = await startPaymentApp();
const other = app.replica();
afterAll(() => app.close());

test("200 parallel requests with one key through two replicas make one payment and one charge", async () => {
  const { id, live } = app.newTenant();
  const idempotencyKey = crypto.randomUUID();
  const replicas = [app, other];
  const sent = await Promise.all(
    Array.from({ length: 200 }, (_, index) => (replicas[index % 2] ?? app).pay(live, {}, { idempotencyKey })),
  );
  const statuses = sent.map((one) => one.status);
  const fresh = sent.filter((one) => one.status === 201 && one.headers.get("idempotent-replayed") === null);
  expect(fresh.length).toBe(1);
  expect(statuses.every((status) => status === 201 || status === 409)).toBe(true);
  for (const one of sent) {
    if (one.status === 201) expect(one.text).toBe(fresh[0]?.text ?? "");
    if (one.status === 409) {
      expect(one.json.code).toBe("idempotency_in_progress");
      expect(Number(one.headers.get("retry-after"))).toBeGreaterThan(0);
    }
  }
  const payments = await app.sql<{ id: string }[]>`select id from payment where tenant_id = ${id}`;
  expect(payments.length).toBe(1);
  expect(await app.charges(payments.map((row) => row.id))).toMatchObject([{ calls: 1 }]);
});

test("a later repeat is the first answer byte for byte, also after the payment has changed", async () => {
  const { live } = app.newTenant();
  const idempotencyKey = crypto.randomUUID();
  const body = { metadata: { b: "2", a: "1" }, description: "Grüße, 東京" };
  const first = await app.pay(live, body, { idempotencyKey });
  await app.sql`update payment set refund_pending = 1 where id = ${first.json.payment_id}`;
  const again = await other.pay(
    live,
    { description: "Grüße, 東京", metadata: { a: "1", b: "2" } },
    { idempotencyKey },
  );
  expect([again.status, again.text]).toEqual([201, first.text]);
  expect([first, again].map((one) => one.headers.get("idempotent-replayed"))).toEqual([null, "true"]);
});

test.each([
  ["pm_card_declined", 402],
  ["pm_card_ok", 201],
])("a payment with %s is repeated with its status %i", async (payment_method, status) => {
  const { live } = app.newTenant();
  const idempotencyKey = crypto.randomUUID();
  const first = await app.pay(live, { payment_method }, { idempotencyKey });
  const again = await app.pay(live, { payment_method }, { idempotencyKey });
  expect([first.status, again.status, again.text]).toEqual([status, status, first.text]);
});

test("the same key with another body is 422 and names exactly the fields that changed", async () => {
  const { live } = app.newTenant();
  const idempotencyKey = crypto.randomUUID();
  const body = { description: "one", metadata: { a: "1" } };
  await app.pay(live, body, { idempotencyKey });
  const changes: [Record<string, unknown>, string[]][] = [
    [{ ...body, amount: 1_001 }, ["/amount"]],
    [{ ...body, description: "two", metadata: { a: "2" } }, ["/description", "/metadata"]],
    [{ ...body, customer_id: "cus" }, ["/customer_id"]],
    [{ metadata: { a: "1" } }, ["/description"]],
  ];
  for (const [changed, pointers] of changes) {
    const refused = await app.pay(live, changed, { idempotencyKey });
    expect([refused.status, refused.json]).toMatchObject([422, { code: "idempotency_key_reused" }]);
    // biome-ignore lint/suspicious/noExplicitAny: a problem document, not a payment.
    const { errors } = refused.json as any;
    expect(errors.map((error: { pointer: string }) => error.pointer)).toEqual(pointers);
  }
});

test("one key means different things to another tenant and in the other mode", async () => {
  const tenants = [app.newTenant(), app.newTenant()];
  const idempotencyKey = crypto.randomUUID();
  const keys = tenants.flatMap((tenant) => [tenant.live, tenant.test]);
  const paid = await Promise.all(keys.map((key) => app.pay(key, {}, { idempotencyKey })));
  expect(paid.map((one) => one.status)).toEqual([201, 201, 201, 201]);
  expect(new Set(paid.map((one) => one.json.payment_id)).size).toBe(4);
});

test.each([undefined, "", "with space", "k".repeat(256), "é"])(
  "an Idempotency-Key of %p is refused before anything is stored",
  async (idempotencyKey) => {
    const { id, live } = app.newTenant();
    const send = { key: live, body: { amount: 1, currency: "EUR" } };
    const refused = await app.send("POST", "/payments", {
      ...send,
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    });
    expect([refused.status, refused.json]).toMatchObject([400, { code: "idempotency_key_required" }]);
    const [row] = await app.sql`select count(*)::int as count from payment where tenant_id = ${id}`;
    expect(row?.count).toBe(0);
  },
);

test("255 visible characters are a key", async () => {
  const { live } = app.newTenant();
  expect((await app.pay(live, {}, { idempotencyKey: `${"~!".repeat(127)}x` })).status).toBe(201);
});

test("a payment over the maximum that was made before the maximum fell is still repeated", async () => {
  const { live, id } = app.newTenant();
  const idempotencyKey = crypto.randomUUID();
  const first = await app.pay(live, {}, { idempotencyKey });
  app.limit(id, { max_payment_amount: 10 });
  const again = await app.pay(live, {}, { idempotencyKey });
  expect([again.status, again.text]).toEqual([201, first.text]);
  expect((await app.pay(live)).status).toBe(422);
});

test("while the first request is open a repeat is 409, and its answer afterwards", async () => {
  const { id, live } = app.newTenant();
  const idempotencyKey = crypto.randomUUID();
  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = app.replica({
    processor: (real) => ({
      ...real,
      authorize: async (call) => {
        await held;
        return real.authorize(call);
      },
    }),
  });
  const first = slow.pay(live, {}, { idempotencyKey });
  await eventually(async () => {
    const [row] = await app.sql`select count(*)::int as count from payment where tenant_id = ${id}`;
    expect(row?.count).toBe(1);
  });
  const during = await app.pay(live, {}, { idempotencyKey });
  expect([during.status, during.json]).toMatchObject([409, { code: "idempotency_in_progress" }]);
  release?.();
  const answer = await first;
  const after = await app.pay(live, {}, { idempotencyKey });
  expect([answer.status, after.status, after.text]).toEqual([201, 201, answer.text]);
});

test("answers older than thirty days are forgotten in batches, by one replica at a time, and no others", async () => {
  const { live } = app.newTenant();
  const fresh = crypto.randomUUID();
  await app.pay(live, {}, { idempotencyKey: fresh });
  await app.sql`
    insert into idempotency (id, subject, fingerprint, created_at)
    select gen_random_uuid(), 'old', '\\x', now() - interval '31 days' from generate_series(1, 4500)`;
  const deps = { sql: app.sql, logger: createLogger("test", "silent"), days: 30 };
  const { signal } = new AbortController();
  const counts = await Promise.all([forgetAnswers(deps, "one", signal), forgetAnswers(deps, "two", signal)]);
  expect(counts.sort()).toEqual([0, 4_500]);
  const again = await app.pay(live, {}, { idempotencyKey: fresh });
  expect(again.headers.get("idempotent-replayed")).toBe("true");
});

test("a key that is released while it is looked up is claimed anew, so that a repeat finds it", async () => {
  const id = crypto.randomUUID();
  const key = { id, fingerprint: new Uint8Array(4), fields: ["amount"] };
  await app.sql`insert into idempotency (id, subject, fingerprint) values (${id}, 'first', ${key.fingerprint})`;
  const known = await app.sql.begin(async (transaction) => {
    let statements = 0;
    const interrupted = new Proxy(transaction, {
      async apply(target, self, args) {
        statements += 1;
        // The first request's refusal commits between the insert and the look-up.
        if (statements === 2) await app.sql`delete from idempotency where id = ${id}`;
        return Reflect.apply(target, self, args);
      },
    });
    return claimKey(interrupted as TransactionSql, key, "second");
  });
  expect(known).toBeNull();
  expect(await app.sql`select subject from idempotency where id = ${id}`).toMatchObject([
    { subject: "second" },
  ]);
});

test("an escaped spelling of the same path is the same request", async () => {
  const { live } = app.newTenant();
  const { payment_id } = (await app.pay(live)).json;
  const idempotencyKey = crypto.randomUUID();
  const body = { amount: 100 };
  const path = `/payments/${payment_id}/refunds`;
  const first = await app.send("POST", path, { key: live, idempotencyKey, body });
  const again = await app.send("POST", path.replace("pay_", "pay%5f"), { key: live, idempotencyKey, body });
  expect([first.status, again.status, again.text]).toEqual([201, 201, first.text]);
});
