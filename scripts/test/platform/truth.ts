import { expect } from "bun:test";
import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import postgres, { type Sql } from "postgres";
import type { Acknowledged } from "./traffic.ts";

/** The databases of an installation, read as their administrator. */
export class Truth {
  readonly payment: Sql;
  readonly ledger: Sql;
  readonly processor: Sql;
  readonly fraud: Sql;
  readonly notifier: Sql;
  readonly #acknowledged = new Set<string>();

  constructor(installation: Pick<RunningInstallation, "databaseUrl">) {
    const open = (name: string) =>
      postgres(installation.databaseUrl(name, "superuser"), { max: 2, onnotice: () => {}, idle_timeout: 5 });
    this.payment = open("payment");
    this.ledger = open("ledger");
    this.processor = open("processor");
    this.fraud = open("fraud");
    this.notifier = open("notifier");
  }

  async close(): Promise<void> {
    const all = [this.payment, this.ledger, this.processor, this.fraud, this.notifier];
    await Promise.all(all.map((sql) => sql.end({ timeout: 2 })));
  }

  /**
   * Waits until nothing is open, nothing waits to be sent, and all that was captured or refunded is booked.
   */
  async settled(timeoutMs = 60_000): Promise<void> {
    await eventually(
      async () => {
        const [open] = await this.payment`select
          (select count(*)::int from payment where status = 'processing') as processing,
          (select count(*)::int from operation where status = 'open') as operations,
          (select count(*)::int from refund where status = 'processing') as refunds,
          (select count(*)::int from outbox) as outbox`;
        expect({ ...open }).toEqual({ processing: 0, operations: 0, refunds: 0, outbox: 0 });
        const [moved] = await this.payment`select
          (select count(*)::int from payment where amount_captured > 0) as captures,
          (select count(*)::int from refund where status = 'succeeded') as refunds`;
        const [booked] = await this.ledger`select count(*) filter (where type = 'capture')::int as captures,
          count(*) filter (where type = 'refund')::int as refunds from transfer`;
        expect({ ...booked }).toEqual({ ...moved });
      },
      { timeoutMs, everyMs: 250 },
    );
  }

  /** Asserts that money stands still and adds up: payment, processor and ledger tell one story. */
  async addsUp(): Promise<void> {
    const payments = await this.payment`
      select id, status, fraud_decision, amount_captured::text as captured from payment`;
    const charges = await this.processor`
      select c.key, c.error_code, c.is_capture, c.amount::text as amount,
        (select amount::text from follow_up f where f.charge_key = c.key and action = 'capture' and error_code is null)
          as captured_later,
        (select count(*)::int from follow_up f where f.charge_key = c.key and action = 'capture' and error_code is null)
          as captures,
        (select count(*)::int from follow_up f where f.charge_key = c.key and action = 'void' and error_code is null)
          as voids
      from charge c`;
    const booked = await this
      .ledger`select payment_id, amount::text as amount from transfer where type = 'capture'`;
    const chargeOf = new Map(charges.map((charge) => [String(charge.key), charge]));
    const bookedOf = new Map(booked.map((row) => [String(row.payment_id), row.amount]));
    expect(booked.length).toBe(bookedOf.size);
    for (const payment of payments) {
      const charge = chargeOf.get(String(payment.id));
      const taken =
        charge === undefined || charge.error_code !== null
          ? "0"
          : charge.is_capture
            ? charge.amount
            : (charge.captured_later ?? "0");
      expect([payment.id, payment.status, taken]).toEqual([payment.id, payment.status, payment.captured]);
      expect([payment.id, bookedOf.get(String(payment.id)) ?? "0"]).toEqual([payment.id, payment.captured]);
      if (payment.status === "flagged" && payment.fraud_decision === "block") expect(taken).toBe("0");
      if (payment.status === "failed") expect(taken).toBe("0");
      expect(charge?.captures ?? 0).toBeLessThanOrEqual(1);
    }
    await this.#ledgerAddsUp();
  }

  /**
   * Asserts that every acknowledged payment is there, that no two acknowledgements, of earlier calls neither,
   * name the same one, and that the processor was asked for no charge but those of payments.
   */
  async holds(acknowledged: readonly Acknowledged[]): Promise<void> {
    const ids = new Set((await this.payment`select id from payment`).map((row) => String(row.id)));
    for (const { paymentId } of acknowledged) {
      const facts = { paymentId, isThere: ids.has(paymentId), isSecond: this.#acknowledged.has(paymentId) };
      expect(facts).toEqual({ paymentId, isThere: true, isSecond: false });
      this.#acknowledged.add(paymentId);
    }
    const charges = await this.processor`select key from charge`;
    expect(charges.filter((row) => !ids.has(String(row.key)))).toEqual([]);
  }

  async #ledgerAddsUp(): Promise<void> {
    const [sides] = await this
      .ledger`select sum(debits)::text as debits, sum(credits)::text as credits from account`;
    expect(sides?.debits).toBe(sides?.credits);
    const drift = await this.ledger`
      with sides as (
        select tenant_id, mode, currency, debit_account as account, amount as debit, 0::bigint as credit from transfer
        union all select tenant_id, mode, currency, credit_account, 0, amount from transfer),
      sums as (select tenant_id, mode, currency, account, sum(debit) as debits, sum(credit) as credits
        from sides group by 1, 2, 3, 4)
      select * from sums full join account using (tenant_id, mode, currency, account)
      where sums.debits is distinct from account.debits or sums.credits is distinct from account.credits`;
    expect([...drift]).toEqual([]);
  }
}
