import { afterAll, expect, test } from "bun:test";
import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { consume } from "@payflow/service-kit/bus/consumers.ts";
import { consumers } from "../../src/consumers.ts";
import { OutcomeUnknown } from "../../src/processor/processor.ts";
import type { TestTenant } from "../payment-app.ts";
import { flagged, startRecoveryApp } from "./recovery-app.ts";

const app = await startRecoveryApp();
afterAll(() => app.close());
app.fraud.decide(({ customer_id }) =>
  customer_id === "suspect" ? { decision: "review" } : customer_id === "thief" ? { decision: "block" } : {},
);
let relayIsWoken = false;
const handlers = consumers({
  sql: app.sql,
  wakeRecovery: () => {},
  onEvents: () => {
    relayIsWoken = true;
  },
});
const take = (...events: EventEnvelope[]) => consume(handlers, "fraud.flagged", events);

async function pay(tenant: TestTenant, body: Record<string, unknown> = {}): Promise<string> {
  return (await app.pay(tenant.live, { amount: 900, ...body })).json.payment_id;
}

async function lateDecision(paymentId: string): Promise<string | null> {
  const [row] = await app.sql<{ late_decision: string | null }[]>`
    select late_decision from payment where id = ${paymentId}`;
  return row?.late_decision ?? null;
}

test("a late block on an authorized payment voids it", async () => {
  const tenant = app.newTenant();
  const id = await app.authorized(tenant.live);
  await take(flagged(tenant, id));
  const capture = await app.post(tenant.live, `/payments/${id}/capture`);
  expect([capture.status, capture.json.detail]).toEqual([409, "The payment has an open operation: void."]);
  await app.recovery.runOnce();
  expect(await app.payment(tenant.live, id)).toMatchObject({ status: "voided", fraud: { late_flag: true } });
  expect(await app.followUps(id)).toMatchObject([{ action: "void", calls: 1 }]);
});

test("a late block on a succeeded payment is noted, and refunds the remainder where the policy says so", async () => {
  const tenant = app.newTenant();
  const noted = await pay(tenant);
  const refunded = await pay(tenant);
  await app.post(tenant.live, `/payments/${refunded}/refunds`, { amount: 100 });
  relayIsWoken = false;
  await take(flagged(tenant, noted), flagged(tenant, refunded, { refund: true }));
  expect(relayIsWoken).toBe(true);
  await app.recovery.runOnce();
  expect(await app.payment(tenant.live, noted)).toMatchObject({
    status: "succeeded",
    amount_refunded: 0,
    fraud: { late_flag: true },
  });
  expect(await app.payment(tenant.live, refunded)).toMatchObject({
    status: "succeeded",
    amount_refunded: 900,
    fraud: { late_flag: true },
  });
  const events = await app.events(refunded);
  expect(events.map((event) => event.sequence)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(events[5]).toMatchObject({ type: "refund.settled", data: { amount: 800, status: "succeeded" } });
});

test("the same event again, or beside another that wants the refund too, refunds once", async () => {
  const tenant = app.newTenant();
  const id = await pay(tenant);
  const event = flagged(tenant, id, { refund: true });
  await Promise.all([take(event), take(event, event), take(event)]);
  await take(flagged(tenant, id, { refund: true }));
  await app.recovery.runOnce();
  expect(await app.followUps(id)).toEqual([{ action: "refund", amount: 900, error_code: null, calls: 1 }]);
  const refunds = await app.sql`select flag_event_id from refund where payment_id = ${id}`;
  expect(refunds.map((row) => row.flag_event_id)).toEqual([event.event_id]);
  expect(async () => {
    await app.sql.begin(async (transaction) => {
      await transaction`update payment set refund_pending = 1, amount_refunded = 0 where id = ${id}`;
      await transaction`
        insert into refund (id, payment_id, tenant_id, mode, amount, currency, flag_event_id, due_at)
        values ('ref_twice', ${id}, ${tenant.id}, 'live', 1, 'EUR', ${event.event_id}, now())`;
    });
  }).toThrow("refund_one_per_flag");
});

test.each(["flag", "review"] as const)(
  "a late %s is only noted, whatever the payment's state",
  async (decision) => {
    const tenant = app.newTenant();
    const authorized = await app.authorized(tenant.live);
    const succeeded = await pay(tenant);
    await take(
      flagged(tenant, authorized, { decision }),
      flagged(tenant, succeeded, { decision, refund: true }),
    );
    expect(await app.recovery.runOnce()).toBe(0);
    expect(await app.payment(tenant.live, authorized)).toMatchObject({ status: "authorized" });
    expect(await app.payment(tenant.live, succeeded)).toMatchObject({
      status: "succeeded",
      amount_refunded: 0,
    });
    for (const id of [authorized, succeeded]) expect(await lateDecision(id)).toBe(decision);
  },
);

test("a late block on a payment that failed, was blocked, voided, expired or is under review is only noted", async () => {
  const tenant = app.newTenant();
  const voided = await app.authorized(tenant.live);
  await app.post(tenant.live, `/payments/${voided}/void`);
  const expired = await app.authorized(tenant.live);
  await app.makeDue(expired);
  await app.recovery.runOnce();
  const states = {
    voided,
    expired,
    failed: await pay(tenant, { payment_method: "pm_card_declined" }),
    blocked: await pay(tenant, { customer_id: "thief" }),
    review: await pay(tenant, { customer_id: "suspect" }),
  };
  const before = await Promise.all(Object.values(states).map((id) => app.payment(tenant.live, id)));
  await take(...Object.values(states).map((id) => flagged(tenant, id, { refund: true })));
  expect(await app.recovery.runOnce()).toBe(0);
  for (const [index, id] of Object.values(states).entries()) {
    const now = await app.payment(tenant.live, id);
    expect(now.status).toBe(before[index].status);
    expect(now.fraud.late_flag).toBeTrue();
    expect(await lateDecision(id)).toBe("block");
  }
});

test("a flag that finds the payment processing waits, and is applied by whoever ends that", async () => {
  const tenant = app.newTenant();
  const body = { amount: 900, payment_method: "pm_card_timeout_then_succeeded" };
  const { json } = await app.pay(tenant.live, body);
  expect(json.status).toBe("processing");
  await take(flagged(tenant, json.payment_id, { refund: true }));
  expect(await app.recovery.runOnce()).toBe(0);
  await app.makeDue(json.payment_id);
  await app.recovery.runOnce();
  expect(await app.payment(tenant.live, json.payment_id)).toMatchObject({ status: "succeeded" });
  await app.recovery.runOnce();
  expect(await app.payment(tenant.live, json.payment_id)).toMatchObject({
    status: "succeeded",
    amount_refunded: 900,
    fraud: { late_flag: true },
  });
});

test("a flag during the first attempt is applied by the request that ends the payment", async () => {
  const tenant = app.newTenant();
  const gate = Promise.withResolvers<string>();
  const flaggedMeanwhile = app.replica({
    processor: (real) => ({
      ...real,
      async authorize(call) {
        const outcome = await real.authorize(call);
        await take(flagged(tenant, call.key));
        gate.resolve(call.key);
        return outcome;
      },
    }),
  });
  await flaggedMeanwhile.pay(tenant.live, { capture_method: "manual" });
  const id = await gate.promise;
  await flaggedMeanwhile.background.drain();
  await app.recovery.runOnce();
  expect(await app.payment(tenant.live, id)).toMatchObject({ status: "voided", fraud: { late_flag: true } });
});

test("a late block keeps recovery from charging what the processor never saw", async () => {
  const tenant = app.newTenant();
  const deaf = app.replica({
    processor: (real) => ({ ...real, authorize: () => Promise.reject(new OutcomeUnknown("never sent")) }),
  });
  const { json } = await deaf.pay(tenant.live);
  await take(flagged(tenant, json.payment_id));
  await app.makeDue(json.payment_id);
  await app.recovery.runOnce();
  expect(await app.charges([json.payment_id])).toEqual([]);
  expect(await app.payment(tenant.live, json.payment_id)).toMatchObject({
    status: "flagged",
    error: { code: "fraud_blocked" },
  });
});

test.each([
  ["capture", "succeeded", 900],
  ["void", "voided", 0],
] as const)(
  "a flag that finds a %s open waits, and the end of it applies the flag",
  async (kind, status, back) => {
    const tenant = app.newTenant();
    const id = await app.authorized(tenant.live);
    const flagging = app.replica({
      processor: (real) => ({
        ...real,
        async capture(call) {
          await take(flagged(tenant, id, { refund: true }));
          return real.capture(call);
        },
        async void(call) {
          await take(flagged(tenant, id, { refund: true }));
          return real.void(call);
        },
      }),
    });
    const done = await flagging.send("POST", `/payments/${id}/${kind}`, {
      key: tenant.live,
      idempotencyKey: crypto.randomUUID(),
    });
    expect(done.json.status).toBe(status);
    await app.recovery.runOnce();
    expect(await app.payment(tenant.live, id)).toMatchObject({
      status,
      amount_refunded: back,
      fraud: { late_flag: true },
    });
  },
);

test("a flag that waited for an approval of a manual payment voids it then", async () => {
  const tenant = app.newTenant();
  const id = await pay(tenant, { customer_id: "suspect", capture_method: "manual" });
  await app.sql`
    insert into operation (id, payment_id, kind, due_at) values (gen_random_uuid(), ${id}, 'approve', now() - interval '1 second')`;
  await take(flagged(tenant, id));
  await app.recovery.runOnce();
  await app.recovery.runOnce();
  expect(await app.payment(tenant.live, id)).toMatchObject({ status: "voided" });
});

test("a flag whose payment ended without applying it is found and applied", async () => {
  const tenant = app.newTenant();
  const id = await app.authorized(tenant.live);
  await app.sql`
    insert into flag (event_id, payment_id, rule, score, decision, wants_refund, flagged_at, due_at)
    values (${newId("evt")}, ${id}, 'list', 90, 'block', false, now(), now() - interval '1 second')`;
  await app.recovery.runOnce();
  await app.recovery.runOnce();
  expect(await app.payment(tenant.live, id)).toMatchObject({ status: "voided" });
});

test("flags that came in time change nothing, and one about another tenant's payment is refused whole", async () => {
  const tenant = app.newTenant();
  const id = await app.authorized(tenant.live);
  await take(flagged(tenant, id, { late: false }));
  expect(await lateDecision(id)).toBeNull();
  const foreign = { ...flagged(tenant, id), tenant_id: app.newTenant().id };
  const otherMode = { ...flagged(tenant, id), mode: "test" as const };
  for (const event of [foreign, otherMode]) expect(async () => take(event)).toThrow("name no payment");
  expect(await lateDecision(id)).toBeNull();
  expect((await app.payment(tenant.live, id)).status).toBe("authorized");
});
