import { maxSettlements, type Settlement } from "@payflow/contracts/internal-payment.ts";
import type { TransferRow } from "../schema.ts";
import type { BooksStore, JournalPosition } from "./books.store.ts";
import { compare, type Finding, settlementSubject, transferSubject } from "./compare.ts";
import type { Settlements } from "./settlements.ts";

/** The two books, and when the one may be held against the other. */
export interface Comparison {
  readonly books: BooksStore;
  readonly settlements: Settlements;
  /** Resolves once the ledger has read every event that was on the bus when it was called. */
  readonly caughtUp: (signal: AbortSignal) => Promise<void>;
}

export interface Window {
  readonly from: Date;
  readonly to: Date;
}

export interface PageCompared {
  readonly transfers: number;
  readonly findings: readonly Finding[];
}

/**
 * Compares a page of payment's settlements with the journal, and the journal's slice of the same time with
 * payment. Each side's rows are looked up in the other by their own id, so that neither order nor the borders
 * of windows can invent a difference; where both sides agree on times, no look-up is needed.
 */
export async function comparePage(
  deps: Comparison,
  page: readonly Settlement[],
  slice: Window,
  /** Subjects of the page before: its last moment lies in this slice. */
  compared: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<PageCompared> {
  const wanted = new Set(page.map(settlementSubject));
  const matched = new Map<string, TransferRow>();
  const findings: Finding[] = [];
  let transfers = 0;
  for (let after: JournalPosition | undefined; ; ) {
    const rows = await deps.books.slice(slice.from, slice.to, after, maxSettlements);
    transfers += rows.length;
    const strangers: TransferRow[] = [];
    for (const row of rows) {
      const subject = transferSubject(row);
      if (wanted.has(subject)) matched.set(subject, row);
      else if (!compared.has(subject)) strangers.push(row);
    }
    findings.push(...(await compareStrangers(deps, strangers)));
    after = rows.at(-1);
    if (rows.length < maxSettlements) break;
  }
  findings.push(...(await compareSettlements(deps, page, matched, signal)));
  return { transfers, findings };
}

/** Movements of the slice that the page does not hold: payment is asked for each by its id. */
async function compareStrangers(
  { settlements }: Comparison,
  strangers: readonly TransferRow[],
): Promise<Finding[]> {
  const found = await settlements.lookup(strangers.map((row) => row.refundId ?? row.paymentId));
  const bySubject = new Map(found.map((one) => [settlementSubject(one), one]));
  return strangers.flatMap((row) => compare(bySubject.get(transferSubject(row)), row));
}

async function compareSettlements(
  deps: Comparison,
  page: readonly Settlement[],
  matched: ReadonlyMap<string, TransferRow>,
  signal: AbortSignal,
): Promise<Finding[]> {
  const unmatched = page.filter((one) => !matched.has(settlementSubject(one)));
  const transfers = new Map([...matched, ...(await findTransfers(deps, unmatched))]);
  const findings: Finding[] = [];
  const unbooked: Settlement[] = [];
  for (const settlement of page) {
    const found = compare(settlement, transfers.get(settlementSubject(settlement)));
    if (found.some((one) => one.kind === "missing_in_ledger")) unbooked.push(settlement);
    else findings.push(...found);
  }
  if (unbooked.length === 0) return findings;
  // Its event may still be under way on a bus that was slow or away; only what the ledger has passed is
  // missing.
  await deps.caughtUp(signal);
  const late = await findTransfers(deps, unbooked);
  return [...findings, ...unbooked.flatMap((one) => compare(one, late.get(settlementSubject(one))))];
}

async function findTransfers(
  { books }: Comparison,
  settlements: readonly Settlement[],
): Promise<Map<string, TransferRow>> {
  if (settlements.length === 0) return new Map();
  const ids = (kind: Settlement["kind"]) =>
    settlements.filter((one) => one.kind === kind).map((one) => one.id);
  const rows = await books.bySubject(ids("capture"), ids("refund"));
  return new Map(rows.map((row) => [transferSubject(row), row]));
}
