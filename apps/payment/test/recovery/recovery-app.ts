import { findFollowUps } from "../../src/processor/simulated.store.ts";
import { createRecovery } from "../../src/recovery/recovery.ts";
import { type PaymentApp, startPaymentApp } from "../payment-app.ts";

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
      await sql`update payment set due_at = now() where id = ${paymentId} and due_at is not null`;
      await sql`update operation set due_at = now() where payment_id = ${paymentId} and status = 'open'`;
      await sql`update refund set due_at = now() where payment_id = ${paymentId} and status = 'processing'`;
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
