import type { ISql, Sql } from "postgres";
import type { AmountCall, AuthorizeCall } from "./processor.ts";

/** One charge of the journal; amount in minor units. */
export interface ChargeRow {
  readonly key: string;
  readonly amount: number;
  readonly payment_method: string;
  readonly is_capture: boolean;
  readonly error_code: string | null;
  /** How often the key was used; only the first use had an effect. */
  readonly calls: number;
}

/** One capture, void or refund of the journal; amount in minor units. */
export interface FollowUpRow {
  readonly key: string;
  readonly charge_key: string;
  readonly action: "capture" | "void" | "refund";
  readonly amount: number;
  readonly error_code: string | null;
  readonly calls: number;
}

export interface NewCharge extends AuthorizeCall {
  readonly errorCode: string | null;
}

/**
 * Records charges of different keys in one commit; a key known already keeps its effect and counts one call
 * more.
 */
export async function recordCharges(sql: Sql, charges: readonly NewCharge[]): Promise<ChargeRow[]> {
  return sql<ChargeRow[]>`
    insert into charge (key, amount, currency, payment_method, is_capture, error_code)
    select key, amount, currency, payment_method, is_capture::boolean, error_code from unnest(
      ${charges.map((one) => one.key)}::text[], ${charges.map((one) => one.amount)}::bigint[],
      ${charges.map((one) => one.currency)}::text[], ${charges.map((one) => one.paymentMethod)}::text[],
      ${charges.map((one) => (one.capture ? 1 : 0))}::integer[],
      ${charges.map((one) => one.errorCode)}::text[])
      as new (key, amount, currency, payment_method, is_capture, error_code)
    on conflict (key) do update set calls = charge.calls + 1
    returning key, amount::float8, payment_method, is_capture, error_code, calls`;
}

export interface NewFollowUp extends Omit<AmountCall, "amount"> {
  readonly action: FollowUpRow["action"];
  /** Null for what concerns the whole charge. */
  readonly amount: number | null;
}

/** What the journal holds of a charge when a follow-up is judged. */
export interface ChargeHistory {
  readonly charge: ChargeRow | undefined;
  readonly followUps: readonly FollowUpRow[];
}

/**
 * Records a follow-up after `judge` has said what becomes of it (an error code, or null), with the charge
 * locked so that of two opposite ones the later sees the earlier. A key known already is answered from its
 * row.
 */
export async function recordFollowUp(
  sql: Sql,
  call: NewFollowUp,
  judge: (history: ChargeHistory) => string | null,
): Promise<FollowUpRow> {
  return sql.begin(async (transaction) => {
    const [charge] = await transaction<ChargeRow[]>`
      select key, amount::float8, payment_method, is_capture, error_code, calls
        from charge where key = ${call.paymentId} for update`;
    const [known] = await transaction<FollowUpRow[]>`
      update follow_up set calls = calls + 1 where key = ${call.key}
      returning key, charge_key, action, amount::float8, error_code, calls`;
    if (known !== undefined) return known;
    const followUps = await findFollowUps(transaction, [call.paymentId]);
    const row: FollowUpRow = {
      key: call.key,
      charge_key: call.paymentId,
      action: call.action,
      amount: call.amount ?? charge?.amount ?? 0,
      error_code: judge({ charge, followUps }),
      calls: 1,
    };
    await transaction`
      insert into follow_up (key, charge_key, action, amount, error_code)
      values (${row.key}, ${row.charge_key}, ${row.action}, ${row.amount}, ${row.error_code})`;
    return row;
  });
}

/** The journal's charges of these payments. */
export async function findCharges(sql: ISql, paymentIds: readonly string[]): Promise<ChargeRow[]> {
  return sql<ChargeRow[]>`
    select key, amount::float8, payment_method, is_capture, error_code, calls
      from charge where key = any(${[...paymentIds]}::text[])`;
}

/** The journal's captures, voids and refunds of these payments, oldest first. */
export async function findFollowUps(sql: ISql, paymentIds: readonly string[]): Promise<FollowUpRow[]> {
  return sql<FollowUpRow[]>`
    select key, charge_key, action, amount::float8, error_code, calls
      from follow_up where charge_key = any(${[...paymentIds]}::text[]) order by recorded_at`;
}

/** The follow-up with that key. */
export async function findFollowUp(sql: ISql, key: string): Promise<FollowUpRow | undefined> {
  const [row] = await sql<FollowUpRow[]>`
    select key, charge_key, action, amount::float8, error_code, calls from follow_up where key = ${key}`;
  return row;
}
