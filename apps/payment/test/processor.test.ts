import { afterAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { testPostgres } from "@payflow/testkit/postgres.ts";
import postgres from "postgres";
import { CreatePaymentBody } from "../src/payments/payments.contract.ts";
import { withDeadline } from "../src/processor/deadline.ts";
import { OutcomeUnknown } from "../src/processor/processor.ts";
import { findCharges, findFollowUps } from "../src/processor/simulated.store.ts";
import { simulatedPaymentMethods, simulatedProcessor } from "../src/processor/simulated.ts";
import { clockErrorMs, connectSimulated } from "../src/processor/simulated-connection.ts";

const database = await testPostgres("processor");
const journal = await connectSimulated(database.serviceUrl, 8);
const { sql } = journal;
const admin = postgres(database.adminUrl, { max: 4, onnotice: () => {} });
const replica = () => simulatedProcessor({ ...journal, seed: "test", slowMs: 30 });
const processor = withDeadline(replica(), 500);

afterAll(async () => {
  await admin.end();
  await journal.close();
  await database.drop();
});

let made = 0;
const newKey = () => `pay_${process.pid}_${++made}`;
/** What a call may take until nobody waits for it any more. */
const within = (ms: number) => ({ notAfter: performance.now() + ms });
const charge = (paymentMethod: string, capture = true, key = newKey()) => ({
  ...within(5_000),
  key,
  amount: 900,
  currency: "EUR",
  paymentMethod,
  capture,
});

test("each decline token fails with its own code", async () => {
  const codes: Record<string, string> = {};
  const tokens = ["insufficient_funds", "declined", "do_not_honor", "expired", "invalid_cvv"];
  for (const token of tokens) {
    const outcome = await processor.authorize(charge(`pm_card_${token}`));
    if (outcome.kind === "failed") codes[token] = outcome.error.code;
  }
  expect(codes).toEqual({
    insufficient_funds: "insufficient_funds",
    declined: "card_declined",
    do_not_honor: "do_not_honor",
    expired: "expired_card",
    invalid_cvv: "invalid_cvv",
  });
});

test("a hundred calls with one key through two replicas charge once and answer the same", async () => {
  const call = charge("pm_card_ok");
  const replicas = [replica(), replica()];
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, (_, index) => replicas[index % 2]?.authorize(call)),
  );
  expect(new Set(outcomes.map((one) => JSON.stringify(one))).size).toBe(1);
  const [row, ...others] = await findCharges(sql, [call.key]);
  expect(others).toEqual([]);
  expect(row).toMatchObject({ amount: 900, is_capture: true, error_code: null });
});

test("a repeated key keeps the first effect, whatever else the call says", async () => {
  const call = charge("pm_card_ok", false);
  expect(await processor.authorize(call)).toEqual({ kind: "authorized", amount: 900 });
  expect(await processor.authorize({ ...call, amount: 5, capture: true })).toEqual({
    kind: "authorized",
    amount: 900,
  });
});

test.each([
  ["pm_card_timeout_then_succeeded", { kind: "captured", amount: 900 }],
  ["pm_card_timeout_then_failed", { kind: "failed" }],
])("%s loses the answer after recording the effect", async (token, truth) => {
  const call = charge(token);
  await expect(
    withDeadline(replica(), 1_500).authorize({ ...call, ...within(1_500) }),
  ).rejects.toBeInstanceOf(OutcomeUnknown);
  expect(await replica().inquire(newKey())).toEqual({ kind: "not_found" });
  expect(await replica().inquire(call.key)).toMatchObject(truth);
});

test("pm_card_random follows from seed and payment alone, and declines about one in ten", async () => {
  const calls = Array.from({ length: 500 }, () => charge("pm_card_random"));
  const first = await Promise.all(calls.map((call) => processor.authorize(call)));
  const declined = first.filter((one) => one.kind === "failed").length;
  expect(declined).toBeGreaterThan(20);
  expect(declined).toBeLessThan(90);
  const otherSeed = simulatedProcessor({ ...journal, seed: "another" });
  const renamed = calls.map((call) => ({ ...call, key: `${call.key}_again` }));
  const again = await Promise.all(renamed.map((call) => otherSeed.authorize(call)));
  expect(again.map((one) => one.kind)).not.toEqual(first.map((one) => one.kind));
});

test("of a capture and a void at once one succeeds", async () => {
  for (let round = 0; round < 10; round += 1) {
    const call = charge("pm_card_ok", false);
    await processor.authorize(call);
    const [captured, voided] = await Promise.all([
      processor.capture({ ...within(500), key: `${call.key}_c`, paymentId: call.key, amount: 500 }),
      replica().void({ ...within(500), key: `${call.key}_v`, paymentId: call.key }),
    ]);
    expect([captured.kind, voided.kind].sort()).toEqual(["done", "failed"]);
    const effects = (await findFollowUps(sql, [call.key])).filter((one) => one.error_code === null);
    expect(effects.length).toBe(1);
  }
});

test("refunds never exceed what was captured, and pm_card_refund_fails refuses them", async () => {
  const call = charge("pm_card_ok", false);
  await processor.authorize(call);
  const about = { ...within(5_000), paymentId: call.key };
  await processor.capture({ ...about, key: `${call.key}_c`, amount: 500 });
  const refunds = await Promise.all(
    [1, 2, 3].map((n) => processor.refund({ ...about, key: `${call.key}_r${n}`, amount: 250 })),
  );
  expect(refunds.filter((one) => one.kind === "done").length).toBe(2);
  const stubborn = charge("pm_card_refund_fails");
  expect(await processor.authorize(stubborn)).toMatchObject({ kind: "captured" });
  const refund = { ...about, key: `ref_${stubborn.key}`, paymentId: stubborn.key, amount: 1 };
  expect(await processor.refund(refund)).toMatchObject({
    kind: "failed",
    error: { code: "refund_declined" },
  });
  expect(await processor.inquire(refund.key)).toMatchObject({ kind: "failed" });
});

test("an unknown payment method is not accepted, nor is a name every object has", () => {
  expect(simulatedPaymentMethods.every((method) => processor.accepts(method))).toBe(true);
  const { description } = CreatePaymentBody.properties.payment_method;
  expect(simulatedPaymentMethods.filter((method) => !description?.includes(`\`${method}\``))).toEqual([]);
  expect(processor.accepts("pm_card_none")).toBe(false);
  expect(processor.accepts("constructor")).toBe(false);
});

/** Runs `work` while another transaction of the journal has done `statement` and is not committed yet. */
async function during<T>(
  statement: (transaction: postgres.TransactionSql) => Promise<unknown>,
  work: () => Promise<T>,
  ending: "commit" | "rollback",
): Promise<T> {
  const [isDone, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const other = admin.begin(async (transaction) => {
    await statement(transaction);
    isDone.resolve();
    await mayEnd.promise;
    if (ending === "rollback") throw new Error("as was asked");
  });
  other.catch(isDone.reject);
  try {
    await isDone.promise;
    return await work();
  } finally {
    mayEnd.resolve();
    await other.catch(() => {});
  }
}

const recordedElsewhere = (key: string) => (transaction: postgres.TransactionSql) =>
  transaction`
  insert into charge (key, amount, currency, payment_method, is_capture)
  values (${key}, 900, 'EUR', 'pm_card_ok', true)`;

const isAtWork = async () => {
  const rows = await admin`
    select from pg_stat_activity
     where datname = current_database() and application_name = 'processor' and state <> 'idle'`;
  return rows.length > 0;
};

test("a call that waits behind another until its time is over is never sent", async () => {
  const [first, late, next] = [charge("pm_card_ok"), charge("pm_card_ok"), charge("pm_card_ok")];
  const one = withDeadline(replica(), 500);
  const sent = await during(
    (transaction) => transaction`lock table charge in exclusive mode`,
    async () => {
      const answer = one.authorize(first);
      await eventually(isAtWork);
      await expect(one.authorize({ ...late, ...within(50) })).rejects.toBeInstanceOf(OutcomeUnknown);
      return { answer };
    },
    "commit",
  );
  expect((await sent.answer).kind).toBe("captured");
  expect((await one.authorize(next)).kind).toBe("captured");
  const keys = (await findCharges(sql, [first.key, late.key, next.key])).map((row) => row.key);
  expect(keys.sort()).toEqual([first.key, next.key].sort());
});

test("a call that reaches the journal once its time is over has no effect there, whatever it was", async () => {
  const narrow = await connectSimulated(database.serviceUrl, 1);
  const held = withDeadline(simulatedProcessor({ ...narrow, seed: "test" }), 500);
  const known = charge("pm_card_ok", false);
  await processor.authorize(known);
  const late = { ...charge("pm_card_ok"), ...within(50) };
  const about = (name: string) => ({ ...within(50), key: `${known.key}_${name}`, paymentId: known.key });
  const only = await narrow.sql.reserve();
  const calls = [
    held.authorize(late),
    held.capture({ ...about("capture"), amount: 100 }),
    held.void(about("void")),
    held.refund({ ...about("refund"), amount: 1 }),
  ];
  const given = await Promise.allSettled(calls);
  expect(given.map((one) => one.status === "rejected" && one.reason instanceof OutcomeUnknown)).toEqual(
    calls.map(() => true),
  );
  await eventually(() => performance.now() > late.notAfter + 3 * clockErrorMs);
  only.release();
  const after = charge("pm_card_ok");
  expect((await held.authorize(after)).kind).toBe("captured");
  await narrow.close();
  expect((await findCharges(sql, [late.key, after.key])).map((row) => row.key)).toEqual([after.key]);
  expect(await findFollowUps(sql, [known.key])).toEqual([]);
});

test("a call whose time was over before it began, as after a freeze of its process, is not made", async () => {
  const call = { ...charge("pm_card_ok"), ...within(-1) };
  const asked: string[] = [];
  const watched = withDeadline(
    {
      ...replica(),
      async authorize({ key }) {
        asked.push(key);
        return { kind: "captured", amount: 900 };
      },
    },
    500,
  );
  for (const one of [watched, replica()]) {
    await expect(one.authorize(call)).rejects.toBeInstanceOf(OutcomeUnknown);
  }
  expect(asked).toEqual([]);
  expect(await processor.inquire(call.key)).toEqual({ kind: "not_found" });
});

test("what was sent in time has its effect soon after, or never", async () => {
  const call = charge("pm_card_ok");
  await during(
    recordedElsewhere(call.key),
    async () => {
      const answer = processor.authorize({ ...call, ...within(500) });
      answer.catch(() => {});
      await eventually(isAtWork);
      await expect(answer).rejects.toBeInstanceOf(OutcomeUnknown);
      const patience = processor.lingerMs * 3;
      await eventually(async () => !(await isAtWork()), { timeoutMs: patience });
    },
    "rollback",
  );
  expect(await processor.inquire(call.key)).toEqual({ kind: "not_found" });
});

test("an inquiry does not deny a charge that is being committed", async () => {
  const call = charge("pm_card_ok");
  await during(
    recordedElsewhere(call.key),
    async () => expect(processor.inquire(call.key)).rejects.toBeInstanceOf(OutcomeUnknown),
    "commit",
  );
  expect(await processor.inquire(call.key)).toEqual({ kind: "captured", amount: 900 });
});
