import { afterAll, beforeAll, expect, test } from "bun:test";
import type { EventEnvelope } from "@payflow/contracts/events.ts";
import fc from "fast-check";
import { createBooksStore } from "../src/comparison/books.store.ts";
import {
  type LedgerDatabase,
  ledgerDatabase,
  newOwner,
  type Owner,
  paymentSettled,
  refundSettled,
  replica,
} from "./fixture/ledger.ts";

let database: LedgerDatabase;
beforeAll(async () => {
  database = await ledgerDatabase();
});
afterAll(() => database.close());

interface Story {
  readonly owner: number;
  readonly currency: string;
  readonly captured: number;
  readonly refunds: readonly { readonly amount: number; readonly succeeds: boolean }[];
  /** How often each of its events is told. */
  readonly tellings: number;
}

const anyStory: fc.Arbitrary<Story> = fc.record({
  owner: fc.integer({ min: 0, max: 2 }),
  currency: fc.constantFrom("INR", "USD", "JPY"),
  captured: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 1, max: 1_000 }),
    fc.constantFrom(999_999_999_998, 999_999_999_999),
  ),
  refunds: fc.array(fc.record({ amount: fc.integer({ min: 1, max: 900 }), succeeds: fc.boolean() }), {
    maxLength: 3,
  }),
  tellings: fc.integer({ min: 1, max: 3 }),
});

type Told = EventEnvelope<"payment.settled"> | EventEnvelope<"refund.settled">;

/** Every event as often as it is told. Nothing is promised of the order across topics. */
function tell(stories: readonly Story[], owners: readonly Owner[]): Told[] {
  return stories.flatMap((story) => {
    const owner = ownerOf(story, owners);
    const { captured, currency } = story;
    const capture = paymentSettled(owner, { captured, currency });
    const paymentId = capture.data.payment_id;
    const refunds = story.refunds.map(({ amount, succeeds }) =>
      refundSettled(owner, { paymentId, amount, currency, status: succeeds ? "succeeded" : "failed" }),
    );
    return Array.from({ length: story.tellings }, () => [capture, ...refunds]).flat();
  });
}

function ownerOf(story: Story, owners: readonly Owner[]): Owner {
  const owner = owners[story.owner];
  if (owner === undefined) throw new Error("a story's owner is one of three");
  return owner;
}

/** What each owner's accounts must hold, by plain addition. */
function model(stories: readonly Story[], owners: readonly Owner[]): string[] {
  const sums = new Map<string, { captured: bigint; refunded: bigint; count: number }>();
  for (const story of stories) {
    const owner = ownerOf(story, owners);
    const key = `${owner.tenantId} ${owner.mode} ${story.currency}`;
    const sum = sums.get(key) ?? { captured: 0n, refunded: 0n, count: 0 };
    const refunds = story.refunds.filter((refund) => refund.succeeds);
    sum.captured += BigInt(story.captured);
    sum.count += (story.captured > 0 ? 1 : 0) + refunds.length;
    for (const refund of refunds) sum.refunded += BigInt(refund.amount);
    sums.set(key, sum);
  }
  return [...sums]
    .filter(([, { count }]) => count > 0)
    .flatMap(([key, { captured, refunded, count }]) => [
      `${key} processor_clearing ${captured} ${refunded} ${count}`,
      `${key} tenant_payable ${refunded} ${captured} ${count}`,
    ])
    .sort();
}

test("balances are what plain addition says, whatever the order, batches and repetitions", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyStory, { minLength: 1, maxLength: 12 }),
      fc.infiniteStream(fc.nat()),
      fc.integer({ min: 1, max: 20 }),
      async (stories, random, batchSize) => {
        const live = newOwner();
        const owners = [live, { ...live, mode: "test" as const }, newOwner()];
        const told = shuffle(tell(stories, owners), random);
        await deliver(told, batchSize);
        const rows = await database.sql<{ line: string }[]>`
          select concat_ws(' ', tenant_id, mode, currency, account, debits, credits, transfers) as line
            from account where tenant_id = any(${owners.map((owner) => owner.tenantId)}) order by 1`;
        expect(rows.map(({ line }) => line).sort()).toEqual(model(stories, owners));
      },
    ),
    { numRuns: 60 },
  );
  const { accounts, findings } = await createBooksStore(database.sql).drift();
  expect(accounts).toBeGreaterThan(100);
  expect(findings).toEqual([]);
  const [sum] = await database.sql<{ difference: string }[]>`
    select (sum(debits) - sum(credits))::text as difference from account`;
  expect(sum?.difference).toBe("0");
}, 60_000);

function shuffle<T>(items: readonly T[], random: fc.Stream<number>): T[] {
  const left = [...items];
  const shuffled: T[] = [];
  while (left.length > 0) shuffled.push(...left.splice((random.next().value ?? 0) % left.length, 1));
  return shuffled;
}

/** Two replicas take turns at batches of one topic each, two at a time. */
async function deliver(told: readonly Told[], batchSize: number): Promise<void> {
  const replicas = [replica(database.sql), replica(database.sql)];
  for (let from = 0; from < told.length; from += batchSize) {
    const batch = told.slice(from, from + batchSize);
    await Promise.all(
      replicas.flatMap(({ handlers }) => [
        handlers["payment.settled"](batch.filter((event) => event.type === "payment.settled")),
        handlers["refund.settled"](batch.filter((event) => event.type === "refund.settled")),
      ]),
    );
  }
}
