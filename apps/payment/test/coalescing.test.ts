import { afterAll, expect, test } from "bun:test";
import postgres from "postgres";
import { requestKey } from "../src/idempotency/idempotency.ts";
import { startPaymentApp } from "./payment-app.ts";

const app = await startPaymentApp();
const admin = postgres(app.adminUrl, { max: 3, onnotice: () => {} });
// A pool that never reached its server takes some seconds to give up.
afterAll(async () => {
  await admin.end();
  await app.close();
}, 15_000);

/** Makes the database refuse payments with a certain description, when they are made or when they end. */
async function plantPoison(when: "insert" | "update", description: string): Promise<void> {
  await admin.unsafe(`
    create function poison_${when}() returns trigger language plpgsql as $$
    begin raise exception 'poison'; end $$;
    create trigger poison_${when} before ${when} on payment for each row
      when (new.description = '${description}') execute function poison_${when}()`);
}

test.each(["insert", "update"] as const)("a row that fails on %s fails alone in its batch", async (when) => {
  const description = `poison on ${when}`;
  await plantPoison(when, description);
  const { id, live } = app.newTenant();
  const sent = await Promise.all(
    Array.from({ length: 60 }, (_, index) => app.pay(live, index === 31 ? { description } : {})),
  );
  expect(sent.map((one) => one.status)).toEqual(sent.map((_, index) => (index === 31 ? 500 : 201)));
  const [row] = await app.sql`
    select count(*) filter (where status = 'succeeded')::int as succeeded, count(*)::int as made
      from payment where tenant_id = ${id}`;
  expect(row).toEqual({ succeeded: 59, made: when === "insert" ? 59 : 60 });
  const [events] = await app.sql`
    select count(*)::int as count from outbox
     where key in (select id from payment where tenant_id = ${id}) and topic = 'payment.settled'`;
  expect(events?.count).toBe(59);
});

test("a deadlock is run again and nobody notices", async () => {
  const { id: tenantId, live } = app.newTenant();
  const key = (header: string) => requestKey({ tenantId, mode: "live" }, "/payments", header, {}, []).id;
  const headers = ["first", "second"].sort((left, right) => (key(left) < key(right) ? -1 : 1));
  const [lower = "", higher = ""] = headers;
  const insert = (sql: postgres.ISql, header: string) =>
    sql`insert into idempotency (id, subject, fingerprint) values (${key(header)}, 'planted', '\\x')`;
  const [before] = await admin`select deadlocks from pg_stat_database where datname = current_database()`;
  let paying: ReturnType<typeof app.pay>[] = [];
  // The batch takes the lower key and waits for the higher one, which this transaction holds; then this one
  // waits for the lower key, and PostgreSQL must end one of the two.
  await admin
    .begin(async (transaction) => {
      await insert(transaction, higher);
      paying = headers.map((idempotencyKey) => app.pay(live, {}, { idempotencyKey }));
      await Bun.sleep(200);
      await insert(transaction, lower);
      throw new Error("leave nothing behind");
    })
    .catch(() => {});
  const paid = await Promise.all(paying);
  expect(paid.map((one) => one.status)).toEqual([201, 201]);
  await admin`select pg_stat_force_next_flush()`;
  const [after] = await admin`select deadlocks from pg_stat_database where datname = current_database()`;
  expect(Number(after?.deadlocks)).toBeGreaterThan(Number(before?.deadlocks));
});

test("whoever was overtaken changes nothing, and answers that it is still open", async () => {
  const { id, live } = app.newTenant();
  const idempotencyKey = crypto.randomUUID();
  const overtaken = app.replica({
    processor: (real) => ({
      ...real,
      authorize: async (call) => {
        const outcome = await real.authorize(call);
        await app.sql`update payment set fence = fence + 1 where id = ${call.key}`;
        return outcome;
      },
    }),
  });
  const sent = await overtaken.pay(live, {}, { idempotencyKey });
  expect([sent.status, sent.json.status]).toEqual([202, "processing"]);
  const [row] = await app.sql`
    select status, fence, (select count(*)::int from outbox where key = payment.id) as events
      from payment where tenant_id = ${id}`;
  expect(row).toEqual({ status: "processing", fence: 2, events: 1 });
});

test("with PostgreSQL away the answer is 503 with Retry-After, and payments go on when it is back", async () => {
  const { live } = app.newTenant();
  const url = new URL(app.databaseUrl);
  url.port = "1";
  const cut = app.replica({ databaseUrl: url.href });
  const refused = await cut.pay(live);
  expect([refused.status, refused.json]).toMatchObject([503, { code: "unavailable" }]);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  await admin`
    select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = 'payment'`;
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 20 && statuses.at(-1) !== 201; attempt += 1) {
    statuses.push((await app.pay(live)).status);
  }
  expect(statuses.at(-1)).toBe(201);
  expect(statuses.slice(0, -1).every((status) => status === 503)).toBe(true);
});
