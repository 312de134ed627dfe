import { afterAll, expect, test } from "bun:test";
import { testPostgres } from "@payflow/testkit/postgres.ts";
import postgres from "postgres";
import { captureMethods, decisions, mayMove, paymentStatuses } from "../src/payments/payment.ts";

const database = await testPostgres("payment");
const sql = postgres(database.serviceUrl, { max: 4, onnotice: () => {} });
const admin = postgres(database.adminUrl, { max: 2, onnotice: () => {} });

afterAll(async () => {
  await Promise.all([sql.end(), admin.end()]);
  await database.drop();
});

const columns = `id, tenant_id, mode, amount, currency, capture_method, payment_method, request_id, idempotency_key,
  created_at, updated_at, due_at`;
let made = 0;

/** A row that stands in any state, put there by the superuser with the triggers off. */
async function paymentIn(state: {
  status: string;
  capture: string;
  decision: string | null;
}): Promise<string> {
  made += 1;
  const id = `pay_${made}`;
  const isSettled =
    ["succeeded", "failed", "voided", "expired"].includes(state.status) ||
    (state.status === "flagged" && state.decision === "block");
  await admin.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await transaction`
      insert into payment (id, tenant_id, mode, amount, currency, capture_method, payment_method, request_id,
        idempotency_key, created_at, updated_at, due_at, status, fraud_decision, amount_captured, error_code, settled_at)
      values (${id}, 'ten_1', 'test', 100, 'EUR', ${state.capture}, 'pm_card_ok', 'req_1', gen_random_uuid(), now(),
        now(), now(), ${state.status}, ${state.decision}, ${state.status === "succeeded" ? 100 : 0},
        ${state.status === "failed" ? "card_declined" : null}, ${isSettled ? new Date() : null})`;
  });
  return id;
}

async function tryMove(id: string, to: string, decision: string | null): Promise<string> {
  const isSettled =
    ["succeeded", "failed", "voided", "expired"].includes(to) || (to === "flagged" && decision === "block");
  try {
    await sql`
      update payment set status = ${to}, amount_captured = ${to === "succeeded" ? 100 : 0},
             error_code = ${to === "failed" ? "card_declined" : null}, fraud_decision = ${decision},
             settled_at = ${isSettled ? new Date() : null}
       where id = ${id}`;
    return "moved";
  } catch (error) {
    return error instanceof postgres.PostgresError ? (error.constraint_name ?? error.code) : String(error);
  }
}

test("the database allows exactly the moves of the transition table", async () => {
  const disagreements: string[] = [];
  for (const status of paymentStatuses) {
    for (const captureMethod of captureMethods) {
      for (const decision of [null, ...decisions]) {
        if (status === "flagged" && decision !== "review" && decision !== "block") continue;
        for (const to of paymentStatuses) {
          if (to === status || (to === "flagged" && decision !== "review" && decision !== "block")) continue;
          const id = await paymentIn({ status, capture: captureMethod, decision });
          const expected = mayMove({ status, captureMethod, fraudDecision: decision }, to)
            ? "moved"
            : "payment_moves";
          const outcome = await tryMove(id, to, decision);
          if (outcome !== expected)
            disagreements.push(`${status}/${captureMethod}/${decision} -> ${to}: ${outcome}`);
        }
      }
    }
  }
  expect(disagreements).toEqual([]);
});

test("a blocked payment cannot be relabelled and moved in one statement", async () => {
  const id = await paymentIn({ status: "flagged", capture: "automatic", decision: "block" });
  expect(await tryMove(id, "succeeded", "review")).toBe("payment_moves");
});

test("a payment begins as processing and no other way", async () => {
  const insert = (status: string) =>
    sql.unsafe(
      `insert into payment (${columns}, status, settled_at, amount_captured) values
         ('pay_new_${status}', 'ten_1', 'test', 100, 'EUR', 'automatic', 'pm_card_ok', 'req_1', gen_random_uuid(),
          now(), now(), now(), $1, case when $1 = 'succeeded' then now() end, case when $1 = 'succeeded' then 100 else 0 end)`,
      [status],
    );
  await expect(insert("succeeded")).rejects.toThrow("may not begin as succeeded");
  await insert("processing");
});

test("the service's role can neither delete money nor change what a payment was made with", async () => {
  const id = await paymentIn({ status: "succeeded", capture: "automatic", decision: null });
  const refused = [
    `delete from payment`,
    `truncate payment`,
    `delete from refund`,
    `delete from operation`,
    `update payment set amount = 1 where id = '${id}'`,
    `update payment set tenant_id = 'ten_2' where id = '${id}'`,
    `update payment set mode = 'live' where id = '${id}'`,
    `update payment set currency = 'USD' where id = '${id}'`,
    `update refund set amount = 1`,
    `alter table payment disable trigger all`,
    `create table sneaky (a int)`,
  ];
  const codes = await Promise.all(
    refused.map((statement) =>
      sql.unsafe(statement).then(
        () => `done: ${statement}`,
        (error: unknown) => (error instanceof postgres.PostgresError ? error.code : String(error)),
      ),
    ),
  );
  expect(codes).toEqual(refused.map(() => "42501"));
});

test("money that was not captured cannot be refunded, and no more than authorized is captured", async () => {
  const id = await paymentIn({ status: "succeeded", capture: "automatic", decision: null });
  const constraintOf = (change: string) =>
    sql.unsafe(`update payment set ${change} where id = '${id}'`).then(
      () => "done",
      (error: unknown) => (error instanceof postgres.PostgresError ? error.constraint_name : String(error)),
    );
  expect(await constraintOf("amount_refunded = 60, refund_pending = 41")).toBe("payment_refunded");
  expect(await constraintOf("refund_pending = -1")).toBe("payment_refunded");
  expect(await constraintOf("amount_captured = 101")).toBe("payment_captured");
  expect(await constraintOf("amount_refunded = 60, refund_pending = 40")).toBe("done");
});
