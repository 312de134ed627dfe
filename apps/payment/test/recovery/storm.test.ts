import { afterAll, expect, test } from "bun:test";
import { takeFlags } from "../../src/payments/fraud/take-flags.ts";
import { OutcomeUnknown, type Processor } from "../../src/processor/processor.ts";
import { flagged, recoveryOf, startRecoveryApp } from "./recovery-app.ts";

const app = await startRecoveryApp();
afterAll(() => app.close());
app.fraud.decide(({ amount }) => (amount % 5 === 0 ? { decision: "review" } : {}));

/** A repeatable row of numbers below 1 (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A line to the processor that drops one call in four, half of them only after they had their effect. */
function badLine(real: Processor, random: () => number): Processor {
  async function carry<T>(call: () => Promise<T>): Promise<T> {
    const luck = random();
    if (luck < 0.125) throw new OutcomeUnknown("the call was lost");
    const outcome = await call();
    if (luck < 0.25) throw new OutcomeUnknown("the answer was lost");
    return outcome;
  }
  return {
    lingerMs: real.lingerMs,
    accepts: (paymentMethod) => real.accepts(paymentMethod),
    authorize: (call) => carry(() => real.authorize(call)),
    capture: (call) => carry(() => real.capture(call)),
    void: (call) => carry(() => real.void(call)),
    refund: (call) => carry(() => real.refund(call)),
    inquire: (key) => carry(() => real.inquire(key)),
  };
}

/** What the processor's journal says of a payment's money. */
async function moneyAtProcessor(paymentId: string) {
  const [charge] = await app.charges([paymentId]);
  const done = (await app.followUps(paymentId)).filter((one) => one.error_code === null);
  const sum = (action: string) =>
    done.filter((one) => one.action === action).reduce((total, one) => total + one.amount, 0);
  const isCharged = charge !== undefined && charge.error_code === null;
  return {
    captured: isCharged && charge.is_capture ? charge.amount : sum("capture"),
    refunded: sum("refund"),
    captures: done.filter((one) => one.action === "capture").length,
    voids: done.filter((one) => one.action === "void").length,
  };
}

let random = randomOf(0);
const lossy = { processor: (real: Processor) => badLine(real, () => random()) };
const replicas = [app.replica(lossy), app.replica(lossy)] as const;
const recoveries = replicas.map((replica) => recoveryOf(replica));

test.each([1, 2, 3])(
  "under a bad line, races, late flags and two recoveries no money differs from the journal (seed %i)",
  async (seed) => {
    random = randomOf(seed);
    const tenant = app.newTenant();
    const key = tenant.live;
    const any = () => replicas[random() < 0.5 ? 0 : 1];
    const post = (path: string, body: unknown) =>
      any().send("POST", path, { key, body, idempotencyKey: crypto.randomUUID() });

    async function live(index: number): Promise<string> {
      const capture_method = index % 2 === 0 ? "manual" : "automatic";
      const { json } = await any().pay(key, { amount: 1_000 + index, capture_method });
      const path = `/payments/${json.payment_id}`;
      const tries: (() => Promise<unknown>)[] = [];
      for (let turn = 0; turn < 2; turn += 1) {
        tries.push(
          () => post(`${path}/capture`, { amount: 400 }),
          () => post(`${path}/void`, {}),
          () => post(`${path}/review`, { decision: random() < 0.5 ? "approve" : "reject" }),
          () => post(`${path}/refunds`, { amount: 300 }),
          () => post(`${path}/refunds`, {}),
          () => Promise.all(recoveries.map((recovery) => recovery.runOnce())),
          () => app.makeDue(json.payment_id),
        );
        if (index % 3 === 0)
          tries.push(() => takeFlags(app.deps, [flagged(tenant, json.payment_id, { refund: true })]));
      }
      tries.sort(() => random() - 0.5);
      await Promise.all(tries.map((go) => go()));
      return json.payment_id;
    }
    const ids = await Promise.all(Array.from({ length: 24 }, (_, index) => live(index)));

    const unfinished = async () => {
      const [row] = await app.sql<{ count: number }[]>`
      select (select count(*) from payment where status = 'processing' and id = any(${ids}::text[]))::int
           + (select count(*) from operation where status = 'open' and payment_id = any(${ids}::text[]))::int
           + (select count(*) from refund where status = 'processing' and payment_id = any(${ids}::text[]))::int
           + (select count(*) from flag where applied_at is null and payment_id = any(${ids}::text[]))::int
          as count`;
      return row?.count;
    };
    for (let round = 0; round < 60 && (await unfinished()) !== 0; round += 1) {
      await app.sql`update payment set due_at = now() - interval '1 second' where status = 'processing' and id = any(${ids}::text[])`;
      await app.sql`update operation set due_at = now() - interval '1 second' where status = 'open' and payment_id = any(${ids}::text[])`;
      await app.sql`
      update refund set due_at = now() - interval '1 second' where status = 'processing' and payment_id = any(${ids}::text[])`;
      await app.sql`update flag set due_at = now() - interval '1 second' where applied_at is null and payment_id = any(${ids}::text[])`;
      await Promise.all(recoveries.map((recovery) => recovery.runOnce()));
    }
    expect(await unfinished()).toBe(0);

    for (const id of ids) {
      const payment = await app.payment(key, id);
      const money = await moneyAtProcessor(id);
      expect([id, payment.amount_captured, payment.amount_refunded]).toEqual([
        id,
        money.captured,
        money.refunded,
      ]);
      expect([id, money.captures + money.voids]).toEqual([id, Math.min(1, money.captures + money.voids)]);
      expect([id, money.voids]).toEqual([id, ["voided", "expired"].includes(payment.status) ? 1 : 0]);
      const [row] = await app.sql`select refund_pending::int, sequence from payment where id = ${id}`;
      const events = await app.events(id);
      expect([id, row?.refund_pending]).toEqual([id, 0]);
      expect(events.map((event) => event.sequence)).toEqual(
        Array.from({ length: row?.sequence }, (_, index) => index + 1),
      );
      const settled = events.filter((event) => event.type === "payment.settled");
      const isOpen = payment.status === "authorized" || payment.fraud.decision === "review";
      expect(settled.length).toBeLessThanOrEqual(1);
      if (!isOpen) expect(settled).toMatchObject([{ data: { amount_captured: payment.amount_captured } }]);
    }
  },
  60_000,
);
