import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import postgres, { type Sql } from "postgres";
import type { Answered } from "../load/http-load.ts";
import type { BenchCheck } from "../result.ts";

/** The databases of an installation as their owners see them, for counting what is true. */
export class Books {
  readonly payment: Sql;
  readonly ledger: Sql;
  readonly processor: Sql;

  constructor(installation: RunningInstallation) {
    const open = (name: string) =>
      postgres(installation.databaseUrl(name, "superuser"), { max: 1, onnotice: () => {} });
    this.payment = open("payment");
    this.ledger = open("ledger");
    this.processor = open("processor");
  }

  async close(): Promise<void> {
    await Promise.all([this.payment.end(), this.ledger.end(), this.processor.end()]);
  }

  /** Payments stored so far. */
  async paymentCount(): Promise<number> {
    const [row] = await this.payment`select count(*)::int as count from payment`;
    return row?.count ?? 0;
  }

  /**
   * Waits until nothing waits to be sent and as many payments are booked as were taken; throws after two
   * minutes. It looks at few rows, so that looking costs little of what is measured.
   */
  async waitUntilDrained(taken: number): Promise<void> {
    for (const end = performance.now() + 120_000; performance.now() < end; await Bun.sleep(50)) {
      const [waiting] = await this.payment`select (select count(*)::int from outbox) as outbox,
        (select count(*)::int from payment where settled_at is null and status = 'processing') as processing`;
      const [booked] = await this.ledger`select coalesce(sum(transfers), 0)::int as count
        from consumer_progress where topic = 'payment.settled'`;
      if (waiting?.outbox === 0 && waiting.processing === 0 && booked?.count >= taken) return;
    }
    throw new Error("the installation did not drain within two minutes");
  }

  /** When each capture was booked, in Unix milliseconds. */
  async bookedAt(): Promise<Map<string, number>> {
    const rows = await this
      .ledger`select payment_id, extract(epoch from created_at) * 1000 as at from transfer`;
    return new Map(rows.map((row) => [String(row.payment_id), Number(row.at)]));
  }

  /** The share of these payments that fraud scored in time, 0 to 1. */
  async scoredShare(ids: readonly string[]): Promise<number> {
    const [row] = await this.payment`
      select count(*) filter (where scoring_source = 'score')::float / greatest(count(*), 1) as share
      from payment where id = any(${ids})`;
    return row?.share ?? 0;
  }
}

/** What must hold of a drained installation for every payment it acknowledged. */
export async function checkTruth(books: Books, acknowledged: readonly Answered[]): Promise<BenchCheck[]> {
  const ids = acknowledged.map((one) => one.id);
  const [stored] = await books.payment`select count(*)::int as count, count(distinct id)::int as ids
    from payment where id = any(${ids}) and status = 'succeeded'`;
  const [charged] = await books.processor`select count(*)::int as charges, max(calls)::int as calls
    from charge where is_capture and error_code is null`;
  const [captured] = await books.payment`select count(*)::int as count, sum(amount_captured)::text as sum
    from payment where amount_captured > 0`;
  const [booked] = await books.ledger`select count(*)::int as count, count(distinct payment_id)::int as ids,
    sum(amount)::text as sum from transfer where type = 'capture'`;
  const drift = await books.ledger`
    with sides as (
      select tenant_id, mode, currency, debit_account as account, amount as debit, 0 as credit from transfer
      union all select tenant_id, mode, currency, credit_account, 0, amount from transfer)
    select 1 from (select tenant_id, mode, currency, account, sum(debit) as debits, sum(credit) as credits
      from sides group by 1, 2, 3, 4) as recomputed
    full join account using (tenant_id, mode, currency, account)
    where recomputed.debits is distinct from account.debits
      or recomputed.credits is distinct from account.credits`;
  const [sides] =
    await books.ledger`select sum(debits)::text as debits, sum(credits)::text as credits from account`;
  return [
    {
      name: "every acknowledged id is a stored payment, once",
      ok: stored?.ids === new Set(ids).size && ids.length === stored?.count,
    },
    { name: "one charge for each captured payment", ok: charged?.charges === captured?.count },
    {
      name: "every captured payment is booked once, with its amount",
      ok:
        booked?.count === captured?.count && booked?.ids === captured?.count && booked?.sum === captured?.sum,
    },
    { name: "debits equal credits", ok: sides?.debits === sides?.credits },
    { name: "balances equal the sums of their rows", ok: drift.length === 0 },
  ];
}
