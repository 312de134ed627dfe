import { check, sleep } from "k6";
import exec from "k6/execution";
import { Counter } from "k6/metrics";
import { insist } from "./calls.ts";
import { amountOfOrder, currency, type Payment } from "./paying.ts";
import { drainSeconds, urls } from "./settings.ts";
import type { Tenant } from "./tenants.ts";

/** Audits that came to their end; a threshold asks for one, since an exception alone fails no run. */
const auditsFinished = new Counter("audits_finished");

/** How many requests of the load may still be open when it ends, in seconds; as long as k6 itself waits. */
const patienceSeconds = 35;

/** The last iteration may begin a little after the load: so many tenths of a second without one end it. */
const quietTenths = 5;

/**
 * Waits until the load is over, then lets the audit see how many iterations it had, numbered from 0. What
 * cannot be audited, since an iteration was broken off, fails.
 */
export function audit(compare: (iterations: number) => void): void {
  let known = -1;
  for (let left = patienceSeconds * 10, quiet = 0; left > 0 && quiet < quietTenths; left -= 1) {
    sleep(0.1);
    const { iterationsCompleted, vusActive } = exec.instance;
    quiet = vusActive > 1 || iterationsCompleted !== known ? 0 : quiet + 1;
    known = iterationsCompleted;
  }
  const { iterationsCompleted, iterationsInterrupted } = exec.instance;
  check(null, {
    "the load had iterations, and none was broken off": () =>
      iterationsCompleted > 0 && iterationsInterrupted === 0,
  });
  compare(iterationsCompleted);
  auditsFinished.add(1);
}

/** All rows of a list, page by page. Throws when a page is not to be had. */
export function readAll<Row>(url: string, key: string, query = ""): Row[] {
  const rows: Row[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const from: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = insist<{ data: Row[]; next_cursor: string | null; has_more: boolean }>({
      method: "GET",
      url: `${url}?limit=100${query}${from}`,
      route: "audit",
      key,
    });
    if (page.status !== 200) throw new Error(`a list answered ${page.status}`);
    rows.push(...page.body.data);
    cursor = page.body.has_more ? page.body.next_cursor : null;
  }
  return rows;
}

interface Movement {
  readonly type: "capture" | "refund";
  readonly payment_id: string;
  readonly entries: readonly {
    readonly account: string;
    readonly direction: string;
    readonly amount: number;
  }[];
}

/** What a tenant must have after a run: payments of these orders, and no other. */
export interface ExpectedMoney {
  /** Null where some were refused, so that nobody knows them all. */
  readonly orders: readonly number[] | null;
  /** How many refunds were granted. */
  readonly refunds?: number;
}

/**
 * Compares payments with orders, and the ledger with payments, through the tenant's own routes: one payment
 * an order, one booking a payment, refunds within their payment, and a balance that is the sum of it all.
 */
export function auditMoney(tenant: Tenant, { orders, refunds = 0 }: ExpectedMoney): void {
  const payments = settledPayments(tenant);
  const movements = bookedMovements(tenant, payments.length + refunds);
  const captured = sum(payments.map((one) => one.amount_captured));
  const refunded = sum(payments.map((one) => one.amount_refunded));
  const balance = balanceOf(tenant);
  check(payments, {
    "every order has one payment, with its amount": () =>
      hasOnePaymentEach(payments, orders ?? payments.map(orderOf)),
    "every payment is booked once, with what was captured": () => isBookedOnce(payments, movements),
    "refunds are booked with what was given back, never more than was captured": () =>
      refundsAgree(payments, movements),
    "the balance is what was captured less what was given back": () => balance === captured - refunded,
  });
}

/** The tenant's payments, once none is open any more or the time for that is over. */
function settledPayments({ key }: Tenant): Payment[] {
  for (const until = Date.now() + drainSeconds * 1_000; ; sleep(0.5)) {
    const payments = readAll<Payment>(`${urls.payment}/payments`, key);
    const isOpen = payments.some((one) => one.status === "processing");
    if (!isOpen || Date.now() > until) return payments;
  }
}

/** The tenant's movements, once there are as many as expected or the time for that is over. */
function bookedMovements({ key }: Tenant, expected: number): Movement[] {
  for (const until = Date.now() + drainSeconds * 1_000; Date.now() < until; sleep(0.2)) {
    const accounts = insist<{ data: { account: string; currency: string; transactions: number }[] }>({
      method: "GET",
      url: `${urls.ledger}/ledger/accounts`,
      route: "audit",
      key,
    });
    const held = accounts.status === 200 ? accounts.body.data : [];
    const owed = held.find((one) => one.account === "tenant_payable" && one.currency === currency);
    if ((owed?.transactions ?? 0) >= expected) break;
  }
  return readAll<Movement>(`${urls.ledger}/ledger/transactions`, key, `&currency=${currency}`);
}

function balanceOf({ key }: Tenant): number {
  const answer = insist<{ balance: number }>({
    method: "GET",
    url: `${urls.ledger}/ledger/balance?currency=${currency}`,
    route: "audit",
    key,
  });
  if (answer.status !== 200) throw new Error(`the balance answered ${answer.status}`);
  return answer.body.balance;
}

const orderOf = (payment: Payment) => Number(payment.metadata.order);

function hasOnePaymentEach(payments: readonly Payment[], orders: readonly number[]): boolean {
  const paid = new Set(payments.map(orderOf));
  const missing = orders.filter((order) => !paid.has(order));
  const isRight = payments.every(
    (one) =>
      one.status === "succeeded" &&
      one.amount === amountOfOrder(orderOf(one)) &&
      one.amount_captured === one.amount,
  );
  if (missing.length > 0) console.error(`orders without a payment: ${missing.slice(0, 5)}`);
  return isRight && missing.length === 0 && paid.size === payments.length && paid.size === orders.length;
}

function isBookedOnce(payments: readonly Payment[], movements: readonly Movement[]): boolean {
  const booked = amountsByPayment(movements, "capture");
  const wrong = payments.filter((one) => {
    const amounts = booked.get(one.payment_id) ?? [];
    return amounts.length !== 1 || amounts[0] !== one.amount_captured;
  });
  if (wrong.length > 0) console.error(`payments not booked once: ${wrong.length} of ${payments.length}`);
  return wrong.length === 0 && booked.size === payments.length;
}

function refundsAgree(payments: readonly Payment[], movements: readonly Movement[]): boolean {
  const booked = amountsByPayment(movements, "refund");
  return payments.every(
    (one) =>
      one.amount_refunded <= one.amount_captured &&
      sum(booked.get(one.payment_id) ?? []) === one.amount_refunded,
  );
}

/** What was credited by captures or debited by refunds, a payment. */
function amountsByPayment(movements: readonly Movement[], type: Movement["type"]): Map<string, number[]> {
  const side = type === "capture" ? "credit" : "debit";
  const amounts = new Map<string, number[]>();
  for (const movement of movements.filter((one) => one.type === type)) {
    const entry = movement.entries.find((one) => one.account === "tenant_payable" && one.direction === side);
    amounts.set(movement.payment_id, [...(amounts.get(movement.payment_id) ?? []), entry?.amount ?? 0]);
  }
  return amounts;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
