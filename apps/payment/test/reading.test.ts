import { afterAll, expect, test } from "bun:test";
import { SettlementsFound, SettlementsPage } from "@payflow/contracts/internal-payment.ts";
import { Value } from "@sinclair/typebox/value";
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

test("what still waits in the outbox holds back how far everything counts as published", async () => {
  await app.pay(app.newTenant().live);
  const waiting = await app.sendInternal("GET", "/internal/v1/settlements?limit=1");
  const [oldest] = await app.sql`select min(created_at) as at from outbox where topic = 'payment.settled'`;
  expect(Date.parse(waiting.json.published_until)).toBeLessThan(new Date(oldest?.at).getTime());
  await app.sql`delete from outbox`;
  const drained = await app.sendInternal("GET", "/internal/v1/settlements?limit=1");
  expect(Date.parse(drained.json.published_until)).toBeGreaterThan(Date.now() - 10_000);
});
