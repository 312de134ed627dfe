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

/** A call as the journal takes it. */
interface Dated {
  /** By the journal's own clock, in milliseconds since 1970: what arrives later has no effect. */
  readonly lastMs: number;
}

export interface NewCharge extends AuthorizeCall, Dated {
  readonly errorCode: string | null;
}

/**
 * Records charges of different keys in one commit; a key known already keeps its effect and counts one call
 * more. What comes too late is left out: the journal's clock says so, since only there it is known when a
 * statement arrived after all it may have waited for.
 */
export async function recordCharges(sql: Sql, charges: readonly NewCharge[]): Promise<ChargeRow[]> {
  return sql<ChargeRow[]>`
    insert into charge (key, amount, currency, payment_method, is_capture, error_code)
    select key, amount, currency, payment_method, is_capture::boolean, error_code from unnest(
      ${charges.map((one) => one.key)}::text[], ${charges.map((one) => one.amount)}::bigint[],
      ${charges.map((one) => one.currency)}::text[], ${charges.map((one) => one.paymentMethod)}::text[],
      ${charges.map((one) => (one.capture ? 1 : 0))}::integer[],
      ${charges.map((one) => one.errorCode)}::text[], ${charges.map((one) => one.lastMs)}::float8[])
      as new (key, amount, currency, payment_method, is_capture, error_code, last_ms)
     where clock_timestamp() <= to_timestamp(last_ms / 1000)
    on conflict (key) do update set calls = charge.calls + 1
    returning key, amount::float8, payment_method, is_capture, error_code, calls`;
}

export interface NewFollowUp extends Omit<AmountCall, "amount">, Dated {
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
 * row. Null when it comes too late.
 */
export async function recordFollowUp(
  sql: Sql,
  call: NewFollowUp,
  judge: (history: ChargeHistory) => string | null,
): Promise<FollowUpRow | null> {
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
    const recorded = await transaction`
      insert into follow_up (key, charge_key, action, amount, error_code)
      select ${row.key}, ${row.charge_key}, ${row.action}, ${row.amount}::bigint, ${row.error_code}
       where clock_timestamp() <= to_timestamp(${call.lastMs}::float8 / 1000)`;
    return recorded.count === 0 ? null : row;
  });
}

/** Nothing of a transaction that throws this is kept. */
class Undone extends Error {
  override readonly name = "Undone";
}

/**
 * Waits until no statement that could record a charge of this key is under way. One that is being committed
 * shows to no reader yet, but it holds its key: whoever tries to insert the same must wait for its end.
 */
export async function waitForCharge(sql: Sql, key: string): Promise<void> {
  const tried = sql.begin(async (transaction) => {
    await transaction`
      insert into charge (key, amount, currency, payment_method, is_capture)
      values (${key}, 1, '', '', false) on conflict (key) do nothing`;
    throw new Undone("the key was only tried");
  });
  await tried.catch((error: unknown) => {
    if (!(error instanceof Undone)) throw error;
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
