import postgres from "postgres";
import type { Truth } from "../../../loadtest/run/report.ts";
import type { Target } from "../target.ts";

interface Sums {
  readonly count: number;
  readonly sum: string;
}

/**
 * What must hold of a run's payments beyond what tenants can see of them: what the processor did, and that
 * the ledger's rows and balances agree. Asked of the databases as their superuser.
 */
export async function moneyTruths(target: Target, tenants: readonly string[], since: Date): Promise<Truth[]> {
  const open = (name: string) => postgres(target.databaseUrl(name), { max: 1, onnotice: () => {} });
  const payment = open("payment");
  const processor = open("processor");
  const ledger = open("ledger");
  try {
    const own = await payment<
      { id: string }[]
    >`select id from payment where tenant_id = any(${[...tenants]})`;
    const ids = own.map(({ id }) => id);
    if (ids.length === 0) return [];
    const [captured] = await payment<Sums[]>`select count(*)::int as count, sum(amount_captured)::text as sum
      from payment where tenant_id = any(${[...tenants]}) and amount_captured > 0`;
    const [charged] = await processor<Sums[]>`select count(*)::int as count, sum(amount)::text as sum
      from charge where key = any(${ids}) and is_capture and error_code is null`;
    const [refunded] = await payment<{ sum: string }[]>`
      select coalesce(sum(amount_refunded), 0)::text as sum from payment where id = any(${ids})`;
    const [returned] = await processor<{ sum: string }[]>`
      select coalesce(sum(amount), 0)::text as sum from follow_up
       where charge_key = any(${ids}) and action = 'refund' and error_code is null`;
    const keys = await processor<{ key: string }[]>`select key from charge where recorded_at >= ${since}`;
    const [stray] = await payment<{ count: number }[]>`
      select count(*)::int as count from unnest(${keys.map(({ key }) => key)}::text[]) as charged(key)
       where not exists (select from payment where id = charged.key)`;
    return [
      {
        name: "the processor was asked for one charge a captured payment",
        isTrue: charged?.count === captured?.count && charged?.sum === captured?.sum,
        found: `${charged?.count} charges, ${captured?.count} payments`,
      },
      {
        name: "the processor was asked for no charge but those of payments",
        isTrue: stray?.count === 0,
        found: `${stray?.count} others`,
      },
      {
        name: "the processor gave back what the payments say",
        isTrue: returned?.sum === refunded?.sum,
        found: `${returned?.sum} of ${refunded?.sum} minor units`,
      },
      ...(await ledgerTruths(ledger, tenants, captured)),
    ];
  } finally {
    await Promise.all([payment, processor, ledger].map((sql) => sql.end({ timeout: 2 })));
  }
}

async function ledgerTruths(
  ledger: postgres.Sql,
  tenants: readonly string[],
  captured: Sums | undefined,
): Promise<Truth[]> {
  const [booked] = await ledger<Sums[]>`select count(*)::int as count, sum(amount)::text as sum
    from transfer where tenant_id = any(${[...tenants]}) and type = 'capture'`;
  const drift = await ledger`
    with sides as (
      select tenant_id, mode, currency, debit_account as account, amount as debit, 0::bigint as credit
        from transfer where tenant_id = any(${[...tenants]})
      union all
      select tenant_id, mode, currency, credit_account, 0, amount
        from transfer where tenant_id = any(${[...tenants]})),
    sums as (
      select tenant_id, mode, currency, account, sum(debit) as debits, sum(credit) as credits
        from sides group by 1, 2, 3, 4),
    held as (select * from account where tenant_id = any(${[...tenants]}))
    select 1 from sums full join held using (tenant_id, mode, currency, account)
     where sums.debits is distinct from held.debits or sums.credits is distinct from held.credits`;
  return [
    {
      name: "the ledger has one capture a captured payment",
      isTrue: booked?.count === captured?.count && booked?.sum === captured?.sum,
      found: `${booked?.count} captures, ${captured?.count} payments`,
    },
    {
      name: "the ledger's balances equal the sums of their rows",
      isTrue: drift.length === 0,
      found: `${drift.length} accounts differ`,
    },
  ];
}
