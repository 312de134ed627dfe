import type { Mode, Scope } from "@payflow/contracts/access.ts";
import type { VerifiedKey } from "@payflow/contracts/internal-tenant.ts";
import type { Database } from "@payflow/service-kit/store/database.ts";

/** A key found by one of its stored values. */
export interface FoundKey extends VerifiedKey {
  /** The position, from 1, of the value it was found by. */
  readonly position: number;
  readonly secretVersion: number;
}

/** A value to be stored under the current secret in the place of one under an older secret. */
export interface RestampedValue {
  readonly from: string;
  readonly to: string;
  readonly secretVersion: number;
}

interface FoundRow {
  position: number;
  secretVersion: number;
  validForMs: number | null;
  expiresAt: string | null;
  keyId: string;
  tenantId: string;
  mode: Mode;
  scopes: Scope[];
  status: "active" | "revoked";
  tenantStatus: "active" | "suspended";
  requestsPerSecond: number;
  burst: number;
  eventsPerSecond: number;
  monthlyEvents: number | null;
  maxPaymentAmount: number | null;
  currency: string | null;
  version: number;
}

export type VerificationStore = ReturnType<typeof createVerificationStore>;

/** Finds keys by their stored values, many in one call, and notes their use. */
export function createVerificationStore({ sql }: Database) {
  return {
    /** Looks up many values in one statement, so that each key and its tenant are of the same moment. */
    async find(values: readonly string[]): Promise<FoundKey[]> {
      const rows = await sql<FoundRow[]>`
        select wanted.position::int as position, v.secret_version as "secretVersion",
               floor(extract(epoch from ends.at - clock_timestamp()) * 1000)::float8 as "validForMs",
               to_char(ends.at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "expiresAt",
               k.key_id as "keyId", k.tenant_id as "tenantId", k.mode, k.scopes,
               case when k.revoked_at is null then 'active' else 'revoked' end as status,
               t.status as "tenantStatus", t.requests_per_second as "requestsPerSecond", t.burst,
               t.events_per_second as "eventsPerSecond", t.monthly_events::float8 as "monthlyEvents",
               t.max_payment_amount::float8 as "maxPaymentAmount", t.currency,
               greatest(k.version, t.version)::float8 as version
          from unnest(${[...values]}::text[]) with ordinality as wanted (value, position)
          join api_key_value v on v.stored_value = wanted.value
          join api_key k on k.key_id = v.key_id
          join tenant t on t.tenant_id = k.tenant_id
         cross join lateral (select least(k.expires_at, v.ends_at) as at) ends`;
      return rows.map(toFoundKey);
    },

    /**
     * Keeps the latest moment of use of each key; milliseconds since 1970. Ids that do not exist are passed
     * over.
     */
    async markUsed(used: ReadonlyMap<string, number>): Promise<void> {
      if (used.size === 0) return;
      // Sorted ids make two replicas lock rows in the same order. A clock ahead of the database's is cut to
      // its time.
      const sorted = [...used].sort(([left], [right]) => (left < right ? -1 : 1));
      await sql`
        update api_key k
           set last_used_at = greatest(k.last_used_at, least(now(), to_timestamp(seen.ms / 1000)))
          from (select key_id, ms
                  from unnest(${sorted.map(([id]) => id)}::text[], ${sorted.map(([, ms]) => ms)}::float8[])
                       as given (key_id, ms)
                  join api_key using (key_id)
                 order by key_id
                   for no key update of api_key) seen
         where k.key_id = seen.key_id`;
    },

    /** The database's clock in milliseconds since 1970. */
    async nowMs(): Promise<number> {
      const [row] = await sql<{ ms: number }[]>`select floor(extract(epoch from now()) * 1000)::float8 as ms`;
      return row?.ms ?? 0;
    },

    /** Carries values over to the current secret; values that are gone meanwhile are passed over. */
    async restamp(values: readonly RestampedValue[]): Promise<void> {
      if (values.length === 0) return;
      const sorted = [...values].sort((left, right) => (left.from < right.from ? -1 : 1));
      await sql`
        update api_key_value v set stored_value = given.fresh, secret_version = given.version
          from unnest(${sorted.map((one) => one.from)}::text[], ${sorted.map((one) => one.to)}::text[],
                      ${sorted.map((one) => one.secretVersion)}::int[]) as given (old, fresh, version)
         where v.stored_value = given.old`;
    },
  };
}

function toFoundKey(row: FoundRow): FoundKey {
  return {
    position: row.position,
    secretVersion: row.secretVersion,
    valid_for_ms: row.validForMs,
    record: {
      key_id: row.keyId,
      tenant_id: row.tenantId,
      mode: row.mode,
      scopes: row.scopes,
      expires_at: row.expiresAt,
      status: row.status,
      tenant_status: row.tenantStatus,
      limits: {
        requests_per_second: row.requestsPerSecond,
        burst: row.burst,
        events_per_second: row.eventsPerSecond,
        monthly_events: row.monthlyEvents,
        max_payment_amount: row.maxPaymentAmount,
      },
      currency: row.currency,
      version: row.version,
    },
  };
}
