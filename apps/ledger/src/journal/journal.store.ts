import type { Mode } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import type { BatchProgress, PartitionPlace } from "@payflow/service-kit/bus/bus.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import type { TransferRow } from "../schema.ts";
import { type Posting, sides } from "./transfer.ts";

/** What is remembered of a batch besides its movements. */
export interface BatchRecord {
  readonly topic: string;
  readonly events: number;
  readonly lastEventId: string;
  readonly lastOccurredAt: string;
  /** How far the batch brings its partition, where the bus tells it. */
  readonly progress?: BatchProgress | undefined;
}

export interface Posted {
  /** Ids of the events whose movement was booked now. */
  readonly booked: readonly string[];
  /** Ids of events that contradict what the journal holds, told now for the first time. */
  readonly refused: readonly string[];
}

export interface TransferQuery {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly currency?: string | undefined;
  readonly paymentId?: string | undefined;
  /** Only what is older than this journal id. */
  readonly before?: string | undefined;
  readonly limit: number;
}

export type JournalStore = ReturnType<typeof createJournalStore>;

/** The journal in PostgreSQL: rows are added in batches and never changed. */
export function createJournalStore(sql: Sql) {
  const columns = sql`
    journal_id as "journalId", event_id as "eventId", type, tenant_id as "tenantId", mode, currency,
    debit_account as "debitAccount", credit_account as "creditAccount", amount::float8 as amount,
    payment_id as "paymentId", refund_id as "refundId", effective_at as "effectiveAt",
    created_at as "createdAt"`;

  return {
    /** Books a batch in one call and one transaction: movements, balances and progress, or nothing. */
    async post(postings: readonly Posting[], batch: BatchRecord): Promise<Posted> {
      const { topic, events, lastEventId, lastOccurredAt, progress } = batch;
      const given = sql`${topic}, ${events}, ${lastEventId}, ${lastOccurredAt},
        ${postingsJson(postings)}::text::json`;
      const [posted] =
        progress === undefined
          ? await sql<Posted[]>`select booked, refused from post_transfers(${given})`
          : await sql<Posted[]>`
              select booked, refused
                from post_partition_transfers(
                  ${given}, ${progress.log}, ${progress.partition}, ${progress.next})`;
      if (posted === undefined) throw new Error("the posting answered nothing");
      return posted;
    },

    /** The offset with which each partition of a topic's log goes on, of those that were booked from. */
    async nextOffsets(topic: string, log: string): Promise<ReadonlyMap<number, number>> {
      const rows = await sql<{ partition: number; next: number }[]>`
        select partition, next_offset::float8 as next from partition_progress
         where topic = ${topic} and log = ${log}`;
      return new Map(rows.map(({ partition, next }) => [partition, next]));
    },

    /** Stores where a partition goes on, where nothing was booked that would bring it there. */
    async keepProgress(topic: string, { log, partition, next }: PartitionPlace): Promise<void> {
      await sql`select keep_partition_progress(${topic}, ${log}, ${partition}, ${next})`;
    },

    /** One movement of the tenant's. */
    async find(tenantId: string, mode: Mode, journalId: string): Promise<TransferRow | undefined> {
      const [row] = await sql<TransferRow[]>`
        select ${columns} from transfer
         where journal_id = ${journalId} and tenant_id = ${tenantId} and mode = ${mode}`;
      return row;
    },

    /** The newest movements first. */
    async list(query: TransferQuery): Promise<readonly TransferRow[]> {
      return query.paymentId === undefined ? listAll(query) : listOfPayment(query, query.paymentId);
    },
  };

  /**
   * Walks the index of each of the tenant's few currencies from its newest end, and merges what was found.
   */
  function listAll({ tenantId, mode, currency, before, limit }: TransferQuery) {
    return sql<TransferRow[]>`
      select newest.* from (
        select distinct currency from account
         where tenant_id = ${tenantId} and mode = ${mode}
           and (${currency ?? null}::text is null or currency = ${currency ?? null})
      ) held cross join lateral (
        select ${columns} from transfer
         where tenant_id = ${tenantId} and mode = ${mode} and transfer.currency = held.currency
           and (${before ?? null}::text is null or journal_id < ${before ?? null})
         order by journal_id desc limit ${limit}
      ) newest
      order by "journalId" desc limit ${limit}`;
  }

  function listOfPayment({ tenantId, mode, currency, before, limit }: TransferQuery, paymentId: string) {
    return sql<TransferRow[]>`
      select ${columns} from transfer
       where payment_id = ${paymentId} and tenant_id = ${tenantId} and mode = ${mode}
         and (${currency ?? null}::text is null or currency = ${currency ?? null})
         and (${before ?? null}::text is null or journal_id < ${before ?? null})
       order by journal_id desc limit ${limit}`;
  }
}

/** The batch as `post_transfers` reads it. Ids are made here, in the order of the events. */
function postingsJson(postings: readonly Posting[]): string {
  return JSON.stringify(
    postings.map((posting) => ({
      journal_id: newId("jrn"),
      event_id: posting.eventId,
      type: posting.type,
      tenant_id: posting.tenantId,
      mode: posting.mode,
      currency: posting.currency,
      debit_account: sides[posting.type].debit,
      credit_account: sides[posting.type].credit,
      amount: posting.amountMinor,
      payment_id: posting.paymentId,
      refund_id: posting.refundId,
      effective_at: posting.effectiveAt,
    })),
  );
}
