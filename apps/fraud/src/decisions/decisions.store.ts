import { firstIdAt } from "@payflow/contracts/ids.ts";
import type { FraudDecision } from "@payflow/contracts/internal-fraud.ts";
import { outboxRow } from "@payflow/service-kit/outbox/outbox.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import type { Decision, Decisions } from "./decision.ts";

interface Row {
  payment_id: string;
  tenant_id: string;
  mode: Decision["mode"];
  decision: FraudDecision;
  score: number;
  rules: string[];
  seen: (number | null)[];
  trigger: string | null;
  policy_hash: string;
  ip: string | null;
  decided_at: Date;
  looked_at: Date | null;
}

/** Decisions in PostgreSQL, by its functions of the migrations. */
export function decisionsStore(sql: Sql): Decisions {
  return {
    async find(paymentIds) {
      if (paymentIds.length === 0) return [];
      const rows = await sql<Row[]>`select * from find_decisions(${[...paymentIds]}::text[])`;
      return rows.map(toDecision);
    },
    async insert(rows, events) {
      const made = await sql<{ payment_id: string }[]>`
        select payment_id from decide_payments(
          ${rows.map((row) => row.paymentId)}::text[], ${rows.map((row) => row.tenantId)}::text[],
          ${rows.map((row) => row.mode)}::text[], ${rows.map((row) => row.decision)}::text[],
          ${rows.map((row) => row.score)}::smallint[], ${rows.map((row) => arrayText(row.rules))}::text[],
          ${rows.map((row) => arrayText(row.seen))}::text[], ${rows.map((row) => row.trigger)}::text[],
          ${rows.map((row) => row.policyHash)}::text[], ${rows.map((row) => row.ip)}::text[],
          ${events.map((event) => outboxRow(event).envelope)}::text[]) as made (payment_id)`;
      return new Set(made.map((row) => row.payment_id));
    },
    async deleteOld(keptDays, limit) {
      const beforeId = firstIdAt("pay", Date.now() - keptDays * 86_400_000);
      const deleted = await sql`
        delete from decision where payment_id in (
          select payment_id from decision
           where payment_id < ${beforeId} and decided_at < now() - make_interval(days => ${keptDays})
           order by payment_id limit ${limit})`;
      return deleted.count;
    },
  };
}

/**
 * An array in the notation of PostgreSQL. Names of rules need no quotes: the policy's schema admits no other
 * characters.
 */
function arrayText(values: readonly (string | number | null)[]): string {
  return `{${values.map((value) => value ?? "null").join(",")}}`;
}

function toDecision(row: Row): Decision {
  return {
    paymentId: row.payment_id,
    tenantId: row.tenant_id,
    mode: row.mode,
    decision: row.decision,
    score: row.score,
    rules: row.rules,
    seen: row.seen,
    trigger: row.trigger,
    policyHash: row.policy_hash,
    ip: row.ip,
    decidedAt: row.decided_at,
    lookedAt: row.looked_at,
  };
}
