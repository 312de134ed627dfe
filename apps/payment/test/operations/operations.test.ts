import { afterAll, expect, test } from "bun:test";
import { OutcomeUnknown } from "../../src/processor/processor.ts";
import { startRecoveryApp } from "../recovery/recovery-app.ts";

const app = await startRecoveryApp();
afterAll(() => app.close());
app.fraud.decide(({ customer_id }) =>
  customer_id === "suspect" ? { decision: "review" } : customer_id === "thief" ? { decision: "block" } : {},
);

async function underReview(key: string, capture_method = "automatic"): Promise<string> {
  const paid = await app.pay(key, { amount: 900, capture_method, customer_id: "suspect" });
  expect([paid.json.status, paid.json.fraud.decision]).toEqual(["flagged", "review"]);
  return paid.json.payment_id;
}

async function expire(id: string): Promise<void> {
  await app.sql`update payment set due_at = now() - interval '1 second' where id = ${id}`;
  await app.recovery.runOnce();
}

test("a capture takes part of an authorization once and releases the rest", async () => {
  const { live } = app.newTenant();
  const id = await app.authorized(live);
  const done = await app.post(live, `/payments/${id}/capture`, { amount: 250 });
  expect(done.status).toBe(200);
  expect(done.json).toMatchObject({ status: "succeeded", amount: 900, amount_captured: 250 });
  expect(await app.payment(live, id)).toEqual(done.json);
  const events = await app.events(id);
  expect(events.map((event) => [event.type, event.sequence])).toEqual([
    ["payment.created", 1],
    ["payment.authorized", 2],
    ["payment.settled", 3],
  ]);
  expect(events[2].data).toMatchObject({ status: "succeeded", amount_captured: 250 });
  expect(events[2].request_id).toBe(done.headers.get("request-id"));
  const again = await app.post(live, `/payments/${id}/capture`, { amount: 250 });
  expect([again.status, again.json.code]).toEqual([409, "invalid_state"]);
  expect(again.json.detail).toContain("succeeded");
  expect(await app.followUps(id)).toEqual([{ action: "capture", amount: 250, error_code: null, calls: 1 }]);
});

test("without an amount all is captured, and more than was authorized is refused", async () => {
  const { live } = app.newTenant();
  const id = await app.authorized(live);
  const tooMuch = await app.post(live, `/payments/${id}/capture`, { amount: 901 });
  expect([tooMuch.status, tooMuch.json.code]).toEqual([422, "capture_exceeds_authorized"]);
  const done = await app.post(live, `/payments/${id}/capture`);
  expect([done.status, done.json.amount_captured]).toEqual([200, 900]);
});

test("a void, a rejected review and an expiry release the money and settle the payment", async () => {
  const { live } = app.newTenant();
  const voided = await app.authorized(live);
  const rejected = await underReview(live);
  const expired = await app.authorized(live);
  const expiredReview = await underReview(live, "manual");
  expect((await app.post(live, `/payments/${voided}/void`, {})).json.status).toBe("voided");
  const answer = await app.post(live, `/payments/${rejected}/review`, { decision: "reject" });
  expect(answer.json.status).toBe("voided");
  await expire(expired);
  await expire(expiredReview);
  for (const [id, status] of [
    [voided, "voided"],
    [rejected, "voided"],
    [expired, "expired"],
    [expiredReview, "expired"],
  ] as const) {
    expect(await app.payment(live, id)).toMatchObject({ status, amount_captured: 0 });
    expect(await app.followUps(id)).toMatchObject([{ action: "void", calls: 1 }]);
    const settled = (await app.events(id)).filter((event) => event.type === "payment.settled");
    expect(settled.map((event) => event.data.status)).toEqual([status]);
  }
});

test("an approved payment is captured when automatic and may be captured when manual", async () => {
  const { live } = app.newTenant();
  const automatic = await underReview(live);
  const manual = await underReview(live, "manual");
  const approve = (id: string) => app.post(live, `/payments/${id}/review`, { decision: "approve" });
  expect((await approve(automatic)).json).toMatchObject({ status: "succeeded", amount_captured: 900 });
  expect((await approve(manual)).json).toMatchObject({ status: "authorized", amount_captured: 0 });
  expect(await app.followUps(manual)).toEqual([]);
  expect((await app.post(live, `/payments/${manual}/capture`, { amount: 1 })).json.amount_captured).toBe(1);
  const events = await app.events(manual);
  expect(events.map((event) => [event.type, event.data.status])).toEqual([
    ["payment.created", "processing"],
    ["payment.authorized", "flagged"],
    ["payment.authorized", "authorized"],
    ["payment.settled", "succeeded"],
  ]);
});

test("only an approved manual payment keeps the day its authorization expires", async () => {
  const { live } = app.newTenant();
  const id = await underReview(live, "manual");
  const dueAt = async () => (await app.sql`select due_at from payment where id = ${id}`)[0]?.due_at;
  const before = await dueAt();
  await app.post(live, `/payments/${id}/review`, { decision: "approve" });
  expect(await dueAt()).toEqual(before);
  await app.post(live, `/payments/${id}/void`);
  expect(await dueAt()).toBeNull();
});

test("while an operation is open every other is refused and told which one is", async () => {
  const { live } = app.newTenant();
  const id = await app.authorized(live);
  await app.sql`
    insert into operation (id, payment_id, kind, amount, due_at)
    values (gen_random_uuid(), ${id}, 'capture', 900, now() + interval '1 hour')`;
  const refused = await app.post(live, `/payments/${id}/void`);
  expect([refused.status, refused.json.code]).toEqual([409, "invalid_state"]);
  expect(refused.json.detail).toContain("open operation: capture");
  await app.sql`update payment set due_at = now() - interval '1 second' where id = ${id}`;
  expect(await app.recovery.runOnce()).toBe(0);
  const second = app.sql`
    insert into operation (id, payment_id, kind, due_at) values (gen_random_uuid(), ${id}, 'void', now())`;
  expect(async () => second).toThrow("operation_one_open");
});

test("a repeat with the same key answers the same bytes, and another body is told apart", async () => {
  const { live, test: inTest } = app.newTenant();
  const id = await app.authorized(live);
  const first = await app.post(live, `/payments/${id}/capture`, { amount: 5 }, "k");
  const again = await app.post(live, `/payments/${id}/capture`, { amount: 5 }, "k");
  expect([again.status, again.text, again.headers.get("idempotent-replayed")]).toEqual([
    200,
    first.text,
    "true",
  ]);
  const other = await app.post(live, `/payments/${id}/capture`, { amount: 6 }, "k");
  expect([other.json.code, other.json.errors[0].pointer]).toEqual(["idempotency_key_reused", "/amount"]);
  const unkeyed = await app.send("POST", `/payments/${id}/capture`, { key: live });
  expect(unkeyed.json.code).toBe("idempotency_key_required");
  for (const name of ["capture", "void"]) {
    expect((await app.post(inTest, `/payments/${id}/${name}`)).status).toBe(404);
    expect((await app.post(app.newTenant().live, `/payments/${id}/${name}`)).status).toBe(404);
    expect((await app.post(live, `/payments/nothing/${name}`)).json.code).toBe("not_found");
    expect((await app.post(`${live}_read`, `/payments/${id}/${name}`)).status).toBe(403);
  }
});

test("a late answer is 202, and the inquiry brings what the processor did to later repeats", async () => {
  let isLost = true;
  const careless = app.replica({
    processor: (real) => ({
      ...real,
      async capture(call) {
        const outcome = await real.capture(call);
        if (isLost) throw new OutcomeUnknown("the line was cut");
        return outcome;
      },
    }),
  });
  const { live } = app.newTenant();
  const id = await app.authorized(live);
  const send = { key: live, idempotencyKey: "late", body: { amount: 7 } };
  const accepted = await careless.send("POST", `/payments/${id}/capture`, send);
  expect([accepted.status, accepted.json.status]).toEqual([202, "authorized"]);
  expect((await careless.send("POST", `/payments/${id}/capture`, send)).text).toBe(accepted.text);
  expect((await app.post(live, `/payments/${id}/void`)).json.detail).toContain("capture");
  isLost = false;
  expect(await app.recovery.runOnce()).toBe(0);
  await app.makeDue(id);
  await app.recovery.runOnce();
  const final = await app.send("POST", `/payments/${id}/capture`, send);
  expect([final.status, final.json.status, final.json.amount_captured]).toEqual([200, "succeeded", 7]);
  expect(await app.followUps(id)).toMatchObject([{ action: "capture", amount: 7, calls: 1 }]);
});

test("a caller who prefers not to wait gets 202 and finds the payment captured", async () => {
  const { live } = app.newTenant();
  const id = await app.authorized(live);
  const send = { key: live, idempotencyKey: "async", prefer: "respond-async" };
  expect((await app.send("POST", `/payments/${id}/capture`, send)).status).toBe(202);
  await app.background.drain();
  const final = await app.send("POST", `/payments/${id}/capture`, send);
  expect([final.status, final.json.status]).toEqual([200, "succeeded"]);
});

test("what the processor refuses is 409, changes nothing and may be tried again with the same key", async () => {
  const { live } = app.newTenant();
  const id = await app.authorized(live);
  const notAfter = performance.now() + 2_000;
  await app.deps.processor.void({ key: `elsewhere ${id}`, notAfter, paymentId: id });
  for (const _ of [1, 2]) {
    const refused = await app.post(live, `/payments/${id}/capture`, {}, "again");
    expect([refused.status, refused.json.code]).toEqual([409, "invalid_state"]);
    expect(refused.json.detail).toContain("processor");
  }
  expect(await app.payment(live, id)).toMatchObject({ status: "authorized", amount_captured: 0 });
  await expire(id);
  expect(await app.recovery.runOnce()).toBe(0);
  expect(await app.payment(live, id)).toMatchObject({ status: "authorized" });
});
