import { afterAll, expect, test } from "bun:test";
import { SettlementsFound, SettlementsPage } from "@payflow/contracts/internal-payment.ts";
import { connectDatabase } from "@payflow/service-kit/store/database.ts";
import { Value } from "@sinclair/typebox/value";
import postgres from "postgres";
import { paymentStatuses } from "../src/payments/payment.ts";
import { type PaymentFilter, paymentStore } from "../src/payments/payments.store.ts";
import { startPaymentApp } from "./payment-app.ts";

const app = await startPaymentApp();
afterAll(() => app.close());

interface Listed {
  readonly data: { readonly payment_id: string; readonly status: string; readonly created_at: string }[];
  readonly next_cursor: string | null;
  readonly has_more: boolean;
}

const list = async (key: string, query = ""): Promise<Listed> => {
  const sent = await app.send("GET", `/payments${query}`, { key });
  expect(sent.status).toBe(200);
  return sent.json;
};

async function payInTurn(key: string, count: number, body = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) ids.push((await app.pay(key, body)).json.payment_id);
  return ids;
}

test("pages are newest first and miss or repeat nothing while payments are being added", async () => {
  const { live } = app.newTenant();
  const ids = await payInTurn(live, 7);
  const seen: string[] = [];
  let page = await list(live, "?limit=3");
  for (;;) {
    seen.push(...page.data.map((one) => one.payment_id));
    if (page.next_cursor === null) break;
    await payInTurn(live, 2);
    page = await list(live, `?limit=3&cursor=${page.next_cursor}`);
  }
  expect(seen).toEqual([...ids].reverse());
  expect(page.has_more).toBe(false);
});

test("payments of one millisecond are all listed, once each", async () => {
  const { live } = app.newTenant();
  const paid = await Promise.all(Array.from({ length: 45 }, () => app.pay(live)));
  const seen: string[] = [];
  let page = await list(live, "?limit=10");
  for (;;) {
    seen.push(...page.data.map((one) => one.payment_id));
    if (page.next_cursor === null) break;
    page = await list(live, `?limit=10&cursor=${page.next_cursor}`);
  }
  expect(seen.length).toBe(45);
  expect(seen.sort()).toEqual(paid.map((one) => one.json.payment_id).sort());
});

test("a list shows one tenant and mode, and is filtered by state and time", async () => {
  const { live, test: testKey } = app.newTenant();
  await payInTurn(app.newTenant().live, 1);
  await payInTurn(testKey, 1);
  const [succeeded = ""] = await payInTurn(live, 1);
  const failed = await payInTurn(live, 2, { payment_method: "pm_card_declined" });
  const [authorized = ""] = await payInTurn(live, 1, { capture_method: "manual" });
  const ids = async (query: string) => (await list(live, query)).data.map((one) => one.payment_id);
  expect(await ids("")).toEqual([authorized, ...[...failed].reverse(), succeeded]);
  expect(await ids("?status=failed")).toEqual([...failed].reverse());
  expect(await ids("?status=authorized")).toEqual([authorized]);
  expect(await ids("?status=processing")).toEqual([]);
  const all = (await list(live)).data;
  const since = encodeURIComponent(all[1]?.created_at ?? "");
  expect((await ids(`?created_gte=${since}`)).length).toBeGreaterThanOrEqual(2);
  expect(await ids(`?created_lt=${encodeURIComponent(all.at(-1)?.created_at ?? "")}`)).toEqual([]);
});

/**
 * A tenant with forty payments of each state and then very many of one, a second apart, put there with the
 * triggers off.
 */
async function crowd(admin: postgres.Sql, tenantId: string, crowding: string): Promise<void> {
  await admin.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await transaction`
      insert into payment (id, tenant_id, mode, amount, currency, capture_method, payment_method, request_id,
        idempotency_key, created_at, updated_at, due_at, status, fraud_decision, amount_captured, error_code,
        settled_at)
      select 'pay_' || ${tenantId} || lpad(place::text, 6, '0'), ${tenantId}, 'live', 100, 'EUR', 'manual', 'pm_card_ok',
             'req_1', gen_random_uuid(), at, at, case when not is_settled then at end, status,
             case when status = 'flagged' then 'block' end, case when status = 'succeeded' then 100 else 0 end,
             case when status = 'failed' then 'card_declined' end, case when is_settled then at end
        from generate_series(0, 12000) as places (place),
             lateral (select timestamptz '2026-01-01' + place * interval '1 second' as at,
                             case when place < 280 then (${[...paymentStatuses]}::text[])[place % 7 + 1]
                                  else ${crowding} end as status),
             lateral (select status not in ('processing', 'authorized') as is_settled)`;
  });
}

test("a page of any list is read from a few pages of the table, however many other payments there are", async () => {
  const admin = postgres(app.adminUrl, { max: 1, onnotice: () => {} });
  // One connection, so that what it has read is counted where it can be asked.
  const connection = connectDatabase(app.databaseUrl, { name: "lists", max: 1 });
  const lists = paymentStore(connection, { leaseMs: 1_000, onEvents: () => {} });
  const crowds = ["failed", "succeeded", "processing", "authorized"];
  for (const crowding of crowds) await crowd(admin, `ten_${crowding}`, crowding);
  await admin`vacuum analyze payment`;
  const blocks = async () => {
    await connection.sql`select pg_stat_force_next_flush()`;
    const [row] = await connection.sql<{ count: number }[]>`
      select (heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::int as count
        from pg_statio_user_tables where relname = 'payment'`;
    return row?.count ?? 0;
  };
  const second = (place: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, place));
  const cursor = (place: number) => ({ createdAt: second(place), id: "pay_~" });
  const ranges: Omit<PaymentFilter, "limit">[] = [
    {},
    { createdGte: second(50) },
    { createdLt: second(11_000) },
    { createdGte: second(50), createdLt: second(11_000) },
    { before: cursor(10_000) },
    { createdGte: second(50), createdLt: second(11_000), before: cursor(300) },
    { createdLt: second(200), before: cursor(11_000) },
    { createdLt: second(200), before: cursor(200) },
  ];
  const dear: unknown[] = [];
  const wrong: unknown[] = [];
  for (const crowding of crowds) {
    const owner = { tenantId: `ten_${crowding}`, mode: "live" as const };
    const all = await admin<{ id: string; status: string; created_at: Date }[]>`
      select id, status, created_at from payment where tenant_id = ${owner.tenantId} order by created_at desc, id desc`;
    for (const status of [undefined, ...paymentStatuses]) {
      for (const range of ranges) {
        const before = await blocks();
        const rows = await lists.list(owner, { ...range, status, limit: 20 });
        const read = (await blocks()) - before;
        if (read > 60) dear.push({ crowding, status, range, read });
        const expected = all
          .filter((one) => status === undefined || one.status === status)
          .filter((one) => one.created_at >= (range.createdGte ?? second(0)))
          .filter((one) => one.created_at < (range.createdLt ?? second(1e6)))
          .filter((one) => one.created_at <= (range.before?.createdAt ?? second(1e6)))
          .slice(0, 21);
        if (rows.map((row) => row.id).join() !== expected.map((row) => row.id).join()) {
          wrong.push({ crowding, status, range });
        }
      }
    }
  }
  await Promise.all([admin.end(), connection.close()]);
  expect(dear).toEqual([]);
  expect(wrong).toEqual([]);
});

test("a foreign, mangled or misplaced cursor and wrong queries are refused", async () => {
  const { live, test: testKey } = app.newTenant();
  await payInTurn(live, 2);
  const { next_cursor } = await list(live, "?limit=1");
  const codes = await Promise.all(
    [
      [testKey, `?cursor=${next_cursor}`],
      [app.newTenant().live, `?cursor=${next_cursor}`],
      [live, `?cursor=${next_cursor}x`],
      [live, "?cursor=%00"],
      [live, "?limit=0"],
      [live, "?limit=101"],
      [live, "?limit=ten"],
      [live, "?status=gone"],
      [live, "?created_gte=yesterday"],
      [live, "?other=1"],
    ].map(async ([key = "", query]) => (await app.send("GET", `/payments${query}`, { key })).json.code),
  );
  expect(codes).toEqual([
    ...["invalid_cursor", "invalid_cursor", "invalid_cursor", "invalid_cursor"],
    ...Array.from({ length: 6 }, () => "invalid_request"),
  ]);
});

test("ledger is shown every payment that came to its end, by time, page after page", async () => {
  const { live } = app.newTenant();
  const from = new Date(Date.now() - 1_000).toISOString();
  const ids = [
    ...(await payInTurn(live, 3)),
    ...(await payInTurn(live, 1, { payment_method: "pm_card_declined" })),
  ];
  const [open = ""] = await payInTurn(live, 1, { capture_method: "manual" });
  const seen: { id: string; amount: number; status: string; settled_at: string }[] = [];
  let cursor = "";
  for (;;) {
    const page = await app.sendInternal("GET", `/internal/v1/settlements?from=${from}&limit=2${cursor}`);
    expect([...Value.Errors(SettlementsPage, page.json)]).toEqual([]);
    seen.push(...page.json.data);
    if (page.json.next_cursor === null) break;
    cursor = `&cursor=${page.json.next_cursor}`;
  }
  const mine = seen.filter((one) => ids.includes(one.id));
  expect(mine.map((one) => [one.id, one.status, one.amount])).toEqual(
    ids.map((id, index) => [id, index === 3 ? "failed" : "succeeded", index === 3 ? 0 : 1_000]),
  );
  expect(seen.some((one) => one.id === open)).toBe(false);
  const times = seen.map((one) => one.settled_at);
  expect(times).toEqual([...times].sort());
  const found = await app.sendInternal("POST", "/internal/v1/settlements/lookup", {
    ids: [open, "pay_none"],
  });
  expect([...Value.Errors(SettlementsFound, found.json)]).toEqual([]);
  expect(found.json.data).toMatchObject([{ id: open, status: "authorized", amount: 0, settled_at: null }]);
});

test("whether a tenant has payments is told for each mode, by the internal port alone", async () => {
  const tenant = app.newTenant();
  const told = async (id: string, mode: string) => {
    const { status, json } = await app.sendInternal("GET", `/internal/v1/tenants/${id}/payments/${mode}`);
    return status === 200 ? json.exists : status;
  };
  expect([await told(tenant.id, "live"), await told(tenant.id, "test")]).toEqual([false, false]);
  // One that was declined is a payment as any other.
  await app.pay(tenant.live, { payment_method: "pm_card_declined" });
  expect([await told(tenant.id, "live"), await told(tenant.id, "test")]).toEqual([true, false]);
  expect([await told(tenant.id, "both"), await told("nobody", "live")]).toEqual([404, 404]);
});

test("what still waits in the outbox holds back how far everything counts as published", async () => {
  await app.pay(app.newTenant().live);
  const waiting = await app.sendInternal("GET", "/internal/v1/settlements?limit=1");
  const [oldest] = await app.sql`select min(created_at) as at from outbox where topic = 'payment.settled'`;
  expect(Date.parse(waiting.json.published_until)).toBeLessThan(new Date(oldest?.at).getTime());
  await app.sql`delete from outbox`;
  const drained = await app.sendInternal("GET", "/internal/v1/settlements?limit=1");
  expect(Date.parse(drained.json.published_until)).toBeGreaterThan(Date.now() - 10_000);
});
