import type { Mode } from "@payflow/contracts/access.ts";
import { errorCode, type Sql } from "@payflow/service-kit/store/database.ts";
import type { SealedSecret } from "../sending/secret-box.ts";
import type { SendError } from "../sending/send.ts";

/** One attempt to make, under a lease. */
export interface ClaimedDelivery {
  readonly deliveryId: string;
  readonly leaseId: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly endpointId: string;
  /** Of this attempt, from 1. */
  readonly number: number;
  /** Attempts made before the present schedule began. */
  readonly before: number;
  readonly eventId: string;
  readonly event: string;
  readonly body: string;
  /** Of the request that caused the event. */
  readonly requestId: string | null;
  readonly traceparent: string | null;
  readonly url: string;
  /** What the endpoint's resource says of an attempt's time and of their number; null where none does. */
  readonly timeoutMs: number | null;
  readonly maxAttempts: number | null;
  /** The endpoint's secrets, newest first; two while one is being replaced. */
  readonly secrets: readonly SealedSecret[];
  /**
   * When the message was queued and when this attempt was claimed, in seconds since 1970 by the store's
   * clock.
   */
  readonly queuedAt: number;
  readonly claimedAt: number;
}

export type Outcome = "delivered" | "retry" | "failed" | "gone";

export interface FinishedAttempt {
  readonly delivery: ClaimedDelivery;
  /** Seconds since 1970, by the store's clock. */
  readonly startedAt: number;
  readonly durationMs: number;
  readonly statusCode: number | null;
  readonly error: SendError | null;
  readonly address: string | null;
  readonly response: Uint8Array;
  readonly outcome: Outcome;
  /** For a retry: see `nextAttempt`. */
  readonly offsetSeconds: number | null;
  readonly leastSeconds: number | null;
  /** For how long the whole endpoint is held back. */
  readonly holdSeconds: number;
}

/** What befell an endpoint by the outcome of an attempt. */
export interface EndpointNotice {
  readonly endpointId: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly notice: "gone" | "failing" | "warning_50" | "warning_75";
}

export interface Claim {
  readonly deliveries: readonly ClaimedDelivery[];
  /**
   * Until anybody's next turn; not above 0 when one is due already, such as of a tenant that was passed over.
   */
  readonly waitMs: number;
}

export type QueueStore = ReturnType<typeof createQueueStore>;

interface ClaimRow {
  readonly delivery_id: string | null;
  readonly tenant_id: string;
  readonly mode: Mode;
  readonly endpoint_id: string;
  readonly number: number;
  readonly before: number;
  readonly event_id: string;
  readonly event: string;
  readonly body: string;
  readonly request_id: string | null;
  readonly traceparent: string | null;
  readonly queued_at: number;
  readonly url: string;
  readonly secret: Uint8Array;
  readonly secret_key_id: string;
  readonly previous_secret: Uint8Array | null;
  readonly previous_secret_key_id: string | null;
  readonly timeout_ms: number | null;
  readonly max_attempts: number | null;
  readonly claimed_at: number;
  readonly wait_ms: number | null;
}

/**
 * The queue's steps, each one call of a function in the database; how they work stands with the functions.
 */
export function createQueueStore(sql: Sql) {
  return {
    /**
     * Takes up to `free` deliveries under a new lease of `leaseMs`; the last `reserve` are not for every
     * endpoint.
     */
    async claim(free: number, reserve: number, leaseMs: number): Promise<Claim> {
      const leaseId = crypto.randomUUID();
      const rows = await sql<ClaimRow[]>`
        select * from claim_deliveries(${leaseId}, ${free}, ${reserve}, ${leaseMs})`;
      return {
        deliveries: rows.flatMap((row) => toClaimed(row, leaseId)),
        waitMs: rows.at(-1)?.wait_ms ?? 60_000,
      };
    },

    /** Records attempts and moves their deliveries on, where their leases still hold. */
    async finish(attempts: readonly FinishedAttempt[]): Promise<readonly EndpointNotice[]> {
      try {
        return await finishAttempts(sql, attempts);
      } catch (error) {
        // Nobody made the day's partition, such as after weeks without a running replica.
        if (errorCode(error) !== "23514") throw error;
        await sql`select make_attempt_partitions(7)`;
        return finishAttempts(sql, attempts);
      }
    },

    /** Takes back what is under leases that ran out; returns how many. */
    async expire(limit: number): Promise<number> {
      const [row] = await sql<{ expired: number }[]>`select expire_leases(${limit}) as expired`;
      return row?.expired ?? 0;
    },

    /** How many deliveries wait or are under way, counted up to 100,000, and how late the next turn is. */
    async depth(): Promise<{ readonly deliveries: number; readonly lateSeconds: number }> {
      const [row] = await sql<{ deliveries: number; late: number | null }[]>`
        select (select count(*)::integer from (select 1 from delivery_queue limit 100000) as counted)
                 as deliveries,
               (select extract(epoch from now() - least(min(next_due), now()))::double precision
                  from tenant_queue) as late`;
      return { deliveries: row?.deliveries ?? 0, lateSeconds: row?.late ?? 0 };
    },
  };
}

async function finishAttempts(
  sql: Sql,
  attempts: readonly FinishedAttempt[],
): Promise<readonly EndpointNotice[]> {
  const column = <T>(of: (attempt: FinishedAttempt) => T) => attempts.map(of);
  return await sql<EndpointNotice[]>`
        select endpoint_id as "endpointId", tenant_id as "tenantId", mode, notice from finish_attempts(
          ${column((one) => one.delivery.deliveryId)}::text[],
      ${column((one) => one.delivery.leaseId)}::uuid[],
          ${column((one) => one.delivery.tenantId)}::text[], ${column((one) => one.delivery.mode)}::text[],
          ${column((one) => one.delivery.endpointId)}::text[],
      ${column((one) => one.delivery.number)}::integer[],
          ${column((one) => one.startedAt)}::double precision[],
      ${column((one) => one.durationMs)}::integer[],
          ${column((one) => one.statusCode)}::integer[], ${column((one) => one.error)}::text[],
          ${column((one) => one.address)}::text[],
          ${column((one) => Buffer.from(one.response).toString("base64"))}::text[],
          ${column((one) => one.outcome)}::text[], ${column((one) => one.offsetSeconds)}::double precision[],
          ${column((one) => one.leastSeconds)}::double precision[],
          ${column((one) => one.holdSeconds)}::double precision[])`;
}

function toClaimed(row: ClaimRow, leaseId: string): ClaimedDelivery[] {
  if (row.delivery_id === null) return [];
  const secrets = [{ sealed: row.secret, keyId: row.secret_key_id }];
  if (row.previous_secret !== null && row.previous_secret_key_id !== null) {
    secrets.push({ sealed: row.previous_secret, keyId: row.previous_secret_key_id });
  }
  return [
    {
      deliveryId: row.delivery_id,
      leaseId,
      tenantId: row.tenant_id,
      mode: row.mode,
      endpointId: row.endpoint_id,
      number: row.number,
      before: row.before,
      eventId: row.event_id,
      event: row.event,
      body: row.body,
      requestId: row.request_id,
      traceparent: row.traceparent,
      url: row.url,
      timeoutMs: row.timeout_ms,
      maxAttempts: row.max_attempts,
      secrets,
      queuedAt: row.queued_at,
      claimedAt: row.claimed_at,
    },
  ];
}
