import { type Sql, transact } from "@payflow/service-kit/store/database.ts";
import type { Finding, FindingKind } from "../comparison/compare.ts";
import type { FindingRow, ReconciliationRow } from "../schema.ts";
import type { LatestRuns, ReconciliationKind, ReconciliationPosition } from "./run.ts";

export const leaseName = "reconciliation";
/** Findings kept of one run; the count goes on beyond. */
const maxFindings = 10_000;
const keptDays = 30;

/** Another replica holds the lease now: what this one still found is not written. */
export class ReconciliationLeaseLost extends Error {
  override readonly name = "ReconciliationLeaseLost";
}

export interface PageResult {
  readonly settlements: number;
  readonly transfers: number;
  readonly accounts: number;
  readonly findings: readonly Finding[];
  readonly position: ReconciliationPosition | null;
}

export type ReconciliationStore = ReturnType<typeof createReconciliationStore>;

function isHeldUnder(sql: Sql, fence: number) {
  return sql`exists (select from lease where name = ${leaseName} and fence = ${fence})`;
}

async function savePage(sql: Sql, id: string, page: PageResult, fence: number): Promise<void> {
  const position = page.position === null ? null : JSON.stringify(page.position);
  await transact(sql, async (transaction) => {
    const [run] = await transaction<{ kept: number }[]>`
      update reconciliation
         set settlements = settlements + ${page.settlements}, transfers = transfers + ${page.transfers},
             accounts = accounts + ${page.accounts}, findings = findings + ${page.findings.length},
             error = null,
             position = coalesce(${position}::text::jsonb, position)
       where reconciliation_id = ${id} and status = 'running' and ${isHeldUnder(sql, fence)}
      returning (findings - ${page.findings.length})::float8 as kept`;
    if (run === undefined) throw new ReconciliationLeaseLost();
    const kept = page.findings.slice(0, Math.max(0, maxFindings - run.kept));
    for (let from = 0; from < kept.length; from += 1_000) {
      await transaction`
        insert into reconciliation_finding ${transaction(toRows(id, kept.slice(from, from + 1_000)))}
        on conflict do nothing`;
    }
  });
}

async function latestRuns(sql: Sql): Promise<LatestRuns> {
  const [row] = await sql<
    { continuousAt: Date | null; fullAt: Date | null; firstAt: Date | null; open: ReconciliationKind[] }[]
  >`
    select max(requested_at) filter (where kind = 'continuous') as "continuousAt",
           max(requested_at) filter (where kind = 'full') as "fullAt",
           min(requested_at) as "firstAt",
           coalesce(array_agg(distinct kind) filter (where status in ('queued', 'running')), '{}') as open
      from reconciliation`;
  return {
    continuousAt: row?.continuousAt ?? undefined,
    fullAt: row?.fullAt ?? undefined,
    firstAt: row?.firstAt ?? undefined,
    open: new Set(row?.open),
  };
}

function listFindings(sql: Sql, id: string, before: string | undefined, limit: number) {
  return sql<FindingRow[]>`
    select finding_id::float8 as "findingId", reconciliation_id as "reconciliationId", kind, subject,
           tenant_id as "tenantId", mode, currency, payment_id as "paymentId", refund_id as "refundId",
           journal_id as "journalId", account, expected, found, detail, created_at as "createdAt"
      from reconciliation_finding
     where reconciliation_id = ${id}
       and (${before ?? null}::bigint is null or finding_id < ${before ?? null}::bigint)
     order by finding_id desc limit ${limit}`;
}

async function countFindings(sql: Sql, id: string): Promise<ReadonlyMap<FindingKind, number>> {
  const rows = await sql<{ kind: FindingKind; count: number }[]>`
    select kind, count(*)::int as count from reconciliation_finding
     where reconciliation_id = ${id} group by kind`;
  return new Map(rows.map((row) => [row.kind, row.count]));
}

async function pruneRuns(sql: Sql): Promise<number> {
  const rows = await sql`
    delete from reconciliation where reconciliation_id in (
      select old.reconciliation_id from reconciliation old
       where old.status in ('completed', 'failed')
         and old.requested_at < now() - make_interval(days => ${keptDays})
         and exists (select from reconciliation newer
                      where newer.kind = old.kind and newer.requested_at > old.requested_at
                        and newer.status = 'completed')
       order by old.requested_at limit 1000)
    returning 1`;
  return rows.length;
}

/** Runs and findings in PostgreSQL; what a run writes is guarded by the fence of its lease. */
export function createReconciliationStore(sql: Sql) {
  const columns = sql`
    reconciliation_id as "reconciliationId", kind, status, from_at as "fromAt", to_at as "toAt", position,
    settlements::float8, transfers::float8, accounts::float8, findings::float8, error,
    requested_at as "requestedAt", started_at as "startedAt", finished_at as "finishedAt"`;

  return {
    async now(): Promise<Date> {
      const [row] = await sql<{ now: Date }[]>`select now() as now`;
      if (row === undefined) throw new Error("the store told no time");
      return row.now;
    },

    async insert(
      run: Pick<ReconciliationRow, "reconciliationId" | "kind" | "fromAt" | "toAt" | "requestedAt">,
    ): Promise<ReconciliationRow> {
      const [row] = await sql<ReconciliationRow[]>`
        insert into reconciliation (reconciliation_id, kind, from_at, to_at, requested_at)
        values (${run.reconciliationId}, ${run.kind}, ${run.fromAt}, ${run.toAt}, ${run.requestedAt})
        returning ${columns}`;
      if (row === undefined) throw new Error("the run was not inserted");
      return row;
    },

    latest: () => latestRuns(sql),

    /** Up to where continuous runs have compared everything. */
    async watermark(): Promise<Date | null> {
      const [row] = await sql<{ to: Date | null }[]>`
        select max(to_at) as "to" from reconciliation where kind = 'continuous' and status = 'completed'`;
      return row?.to ?? null;
    },

    /** The open runs, those asked for by people first. */
    open() {
      return sql<ReconciliationRow[]>`
        select ${columns} from reconciliation where status in ('queued', 'running')
         order by kind = 'on_demand' desc, requested_at limit 10`;
    },

    async begin(id: string, toAt: Date, now: Date, fence: number): Promise<ReconciliationRow> {
      const [row] = await sql<ReconciliationRow[]>`
        update reconciliation
           set status = 'running', to_at = ${toAt}, started_at = coalesce(started_at, ${now})
         where reconciliation_id = ${id} and status in ('queued', 'running') and ${isHeldUnder(sql, fence)}
        returning ${columns}`;
      if (row === undefined) throw new ReconciliationLeaseLost();
      return row;
    },

    /** Keeps what a page brought together with where to go on. */
    save: (id: string, page: PageResult, fence: number) => savePage(sql, id, page, fence),

    async finish(
      id: string,
      outcome: { readonly status: "completed" | "failed"; readonly error: string | null; readonly now: Date },
      fence: number,
    ): Promise<void> {
      await sql`
        update reconciliation
           set status = ${outcome.status}, error = ${outcome.error}, finished_at = ${outcome.now},
               position = null
         where reconciliation_id = ${id} and status in ('queued', 'running') and ${isHeldUnder(sql, fence)}`;
    },

    /** Says in the row why an open run does not go on for now. */
    async note(id: string, error: string): Promise<void> {
      await sql`
        update reconciliation set error = ${error}
         where reconciliation_id = ${id} and status in ('queued', 'running')`;
    },

    async find(id: string): Promise<ReconciliationRow | undefined> {
      const [row] = await sql<ReconciliationRow[]>`
        select ${columns} from reconciliation where reconciliation_id = ${id}`;
      return row;
    },

    list(before: string | undefined, limit: number) {
      return sql<ReconciliationRow[]>`
        select ${columns} from reconciliation
         where ${before ?? null}::text is null or reconciliation_id < ${before ?? null}
         order by reconciliation_id desc limit ${limit}`;
    },

    findings: (id: string, before: string | undefined, limit: number) => listFindings(sql, id, before, limit),

    countFindings: (id: string) => countFindings(sql, id),

    /** Drops old finished runs with their findings, a bounded batch; the newest of each kind stay. */
    prune: () => pruneRuns(sql),
  };
}

function toRows(reconciliationId: string, findings: readonly Finding[]) {
  return findings.map((finding) => ({
    reconciliation_id: reconciliationId,
    kind: finding.kind,
    subject: finding.subject,
    tenant_id: finding.tenantId,
    mode: finding.mode,
    currency: finding.currency,
    payment_id: finding.paymentId,
    refund_id: finding.refundId,
    journal_id: finding.journalId,
    account: finding.account,
    expected: finding.expected,
    found: finding.found,
    detail: finding.detail,
  }));
}
