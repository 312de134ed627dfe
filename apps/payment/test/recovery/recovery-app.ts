import type { EventData, EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { findFollowUps } from "../../src/processor/simulated.store.ts";
import { createRecovery } from "../../src/recovery/recovery.ts";
import { type PaymentApp, startPaymentApp, type TestTenant } from "../payment-app.ts";

type Replica = Pick<PaymentApp, "deps">;

const schedule = { firstInquiryMs: 1_000, maxInquiryMs: 3_600_000, recoveryLeaseMs: 15_000 };

/** Recovery as one replica runs it, looking for work only when told to. */
export function recoveryOf(replica: Replica, changed: Partial<typeof schedule> = {}) {
  return createRecovery({
    ...replica.deps,
    schedule: { ...schedule, ...changed },
    capacity: 64,
    everyMs: 20,
  });
}

/** Payment with a recovery that works when told to, and ways to look behind the API. */
export async function startRecoveryApp(config: Parameters<typeof startPaymentApp>[0] = {}) {
  const app = await startPaymentApp({ PROCESSOR_TIMEOUT_MS: 300, FRAUD_TIMEOUT_MS: 300, ...config });
  const recovery = recoveryOf(app);
  const { sql } = app;
  return {
    ...app,
    recovery,
    /** Ends every lease and wait of the payment, as if the time had passed. */
    async makeDue(paymentId: string): Promise<void> {
      // Times are kept to the millisecond, so that "now" may round to what is still to come.
      const past = sql`now() - interval '1 second'`;
      await sql`update payment set due_at = ${past} where id = ${paymentId} and due_at is not null`;
      await sql`update operation set due_at = ${past} where payment_id = ${paymentId} and status = 'open'`;
      await sql`update refund set due_at = ${past} where payment_id = ${paymentId} and status = 'processing'`;
    },
    /** What the processor did after the charge, oldest first. */
    async followUps(paymentId: string) {
      const rows = await findFollowUps(app.processorSql, [paymentId]);
      return rows.map(({ action, amount, error_code, calls }) => ({ action, amount, error_code, calls }));
    },
    /** The payment's events in the order of their sequence. */
    async events(paymentId: string) {
      const rows = await sql<{ envelope: string }[]>`
        select envelope from outbox where key = ${paymentId} order by (envelope::json ->> 'sequence')::int`;
      return rows.map((row) => JSON.parse(row.envelope));
    },
    /** A payment authorized for 900 in EUR, to be captured by hand. */
    async authorized(key: string, body: Record<string, unknown> = {}): Promise<string> {
      const paid = await app.pay(key, { amount: 900, capture_method: "manual", ...body });
      if (paid.json.status !== "authorized") throw new Error(`not authorized: ${paid.text}`);
      return paid.json.payment_id;
    },
    /** The given request with an Idempotency-Key of its own unless one is given. */
    post: (key: string, path: string, body?: unknown, idempotencyKey: string = crypto.randomUUID()) =>
      app.send("POST", path, { key, body, idempotencyKey }),
    async payment(key: string, paymentId: string) {
      return (await app.send("GET", `/payments/${paymentId}`, { key })).json;
    },
  };
}
export type RecoveryApp = Awaited<ReturnType<typeof startRecoveryApp>>;

/** What fraud tells of a payment after it was judged: a late block, unless `data` says otherwise. */
export function flagged(
  tenant: TestTenant,
  paymentId: string,
  data: Partial<EventData<"fraud.flagged">> = {},
): EventEnvelope<"fraud.flagged"> {
  const flaggedAt = new Date().toISOString();
  return {
    event_id: newId("evt"),
    type: "fraud.flagged",
    version: 1,
    tenant_id: tenant.id,
    mode: "live",
    key: paymentId,
    sequence: null,
    occurred_at: flaggedAt,
    request_id: null,
    data: {
      payment_id: paymentId,
      rule_triggered: "fail_mode",
      risk_score: 91.4,
      decision: "block",
      late: true,
      refund: false,
      flagged_at: flaggedAt,
      ...data,
    },
  };
}
