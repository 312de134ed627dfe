import { eventually } from "@payflow/testkit/eventually.ts";
import { itemsOf, money, numberOf, objectOf, textOf } from "./client.ts";
import type { Shop } from "./shop.ts";
import { check } from "./story.ts";

/** The payments, the journal and the balance, each held against what the story did. */
export async function showBooks(shop: Shop): Promise<void> {
  shop.story.chapter("The books");
  await showPayments(shop);
  await showJournal(shop);
  await showBalance(shop);
}

async function showPayments({ story, client, url, payments }: Shop): Promise<void> {
  let rows: string[][] = [];
  await story.step("lists the payments", async () => {
    const { body } = await client.call(`${url("payment")}/payments?limit=100`, { expect: 200 });
    const listed = new Map(itemsOf(body).map((payment) => [payment.payment_id, payment]));
    for (const [name, { id, status, capturedMinor, refundedMinor }] of payments) {
      const payment = listed.get(id);
      check(payment !== undefined, `${name} (${id}) is missing`);
      check(payment.status === status, `${name} is ${payment.status}, not ${status}`);
      check(payment.amount_captured === capturedMinor, `${name} has ${payment.amount_captured} captured`);
      check(payment.amount_refunded === refundedMinor, `${name} has ${payment.amount_refunded} refunded`);
    }
    check(listed.size === payments.size, `${listed.size} payments are listed, ${payments.size} were made`);
    rows = itemsOf(body).map((payment) => [
      textOf(payment, "payment_id"),
      money(numberOf(payment, "amount")),
      textOf(payment, "status"),
      `captured ${money(numberOf(payment, "amount_captured"))}`,
      `refunded ${money(numberOf(payment, "amount_refunded"))}`,
      String(objectOf(payment, "error").code ?? ""),
    ]);
    return `${listed.size} payments, as the story made them`;
  });
  story.table(rows);
}

async function showJournal({ story, client, url, payments }: Shop): Promise<void> {
  const captures = [...payments.values()].filter(({ capturedMinor }) => capturedMinor > 0);
  let rows: string[][] = [];
  await story.step("reads the journal", async () => {
    const items = await eventually(async () => {
      const { body } = await client.call(`${url("ledger")}/ledger/transactions?limit=100`, { expect: 200 });
      const found = itemsOf(body);
      check(found.length === captures.length + 2, `${found.length} transactions are booked`);
      return found;
    });
    for (const item of items) {
      const sides = itemsOf(item, "entries").map((entry) => ({
        ...entry,
        amount: numberOf(entry, "amount"),
      }));
      const sum = sides.reduce((total, side) => total + (isDebit(side) ? side.amount : -side.amount), 0);
      check(sum === 0, `${item.journal_id} is not balanced`);
    }
    rows = items.map((item) => [textOf(item, "journal_id"), textOf(item, "type"), ...describeEntries(item)]);
    return `${captures.length} captures and 2 refunds, debits equal credits in each`;
  });
  story.table(rows);
}

function isDebit(entry: Record<string, unknown>): boolean {
  return entry.direction === "debit";
}

function describeEntries(item: Record<string, unknown>): string[] {
  return itemsOf(item, "entries").map(
    (entry) => `${entry.direction} ${entry.account} ${money(numberOf(entry, "amount"))}`,
  );
}

async function showBalance({ story, client, url, payments }: Shop): Promise<void> {
  await story.step("asks for the balance", async () => {
    const expected = [...payments.values()].reduce(
      (sum, { capturedMinor, refundedMinor }) => sum + capturedMinor - refundedMinor,
      0,
    );
    const { body } = await client.call(`${url("ledger")}/ledger/balance?currency=INR`, { expect: 200 });
    check(body.balance === expected, `the balance is ${body.balance}, not ${expected}`);
    return `${textOf(body, "balance_display")}, which is what was captured less what was refunded`;
  });
}

/** The webhooks that arrived, held against the payments. */
export async function showWebhooks({ story, receiver, payments }: Shop): Promise<void> {
  story.chapter("The shop's webhooks");
  await story.step("receives every payment's end", async () => {
    await eventually(
      () => {
        const ends = new Map(receiver.distinct("payment.settled").map(({ body }) => [body.payment_id, body]));
        for (const [name, { id, status }] of payments) {
          const end = ends.get(id);
          check(end !== undefined, `payment.settled of ${name} has not arrived`);
          check(end.status === status, `payment.settled of ${name} says ${end.status}`);
        }
      },
      { timeoutMs: 15_000 },
    );
    return `payment.settled of all ${payments.size} payments`;
  });
  await story.step("receives both refunds and what fraud flagged", async () => {
    await eventually(() => {
      check(receiver.distinct("refund.settled").length === 2, "a refund.settled is missing");
      const flagged = new Set(receiver.distinct("fraud.flagged").map(({ body }) => body.payment_id));
      for (const name of ["blocked", "reviewed"]) {
        check(flagged.has(payments.get(name)?.id), `fraud.flagged of the ${name} payment is missing`);
      }
    });
    return "refund.settled twice, fraud.flagged for the blocked and the reviewed payment";
  });
  await story.step("verifies every signature with the library of Standard Webhooks", async () => {
    check(receiver.refused === 0, `${receiver.refused} signatures did not hold`);
    check(receiver.received.length > 0, "nothing has arrived");
    const webhooks = receiver.distinct().length;
    return `${receiver.received.length} deliveries of ${webhooks} webhooks, all signed rightly`;
  });
  const counts = new Map<string, number>();
  for (const { event } of receiver.distinct()) counts.set(event, (counts.get(event) ?? 0) + 1);
  story.table([...counts].map(([event, count]) => [event, `${count}`]));
}
