import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Api, listed, openApi } from "./fixture/api.ts";
import { newOwner, refundSettled, replica } from "./fixture/ledger.ts";

let api: Api;
beforeAll(async () => {
  api = await openApi();
});
afterAll(() => api.close());

describe("GET /ledger/balance", () => {
  test("is what was captured less what was refunded, shown with the currency's own digits", async () => {
    const owner = newOwner();
    const [inr] = await api.book(owner, ["INR", "JPY", "KWD"]);
    if (inr === undefined) throw new Error("it was booked");
    const refund = refundSettled(owner, { paymentId: inr.data.payment_id, amount: 1_250 });
    await replica(api.database.sql).handlers["refund.settled"]([refund]);
    const { status, body } = await api.ask("/ledger/balance", api.as(owner));
    expect(status).toBe(200);
    const all = [
      { currency: "INR", balance: -250, balance_display: "-₹2.50" },
      { currency: "JPY", balance: 1_000, balance_display: "¥1,000" },
      { currency: "KWD", balance: 1_000, balance_display: "KWD\u00a01.000" },
    ];
    expect(body).toEqual({
      tenant_id: owner.tenantId,
      mode: "live",
      ...all[0],
      balances: all,
      as_of: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    const yen = await api.ask("/ledger/balance?currency=JPY", api.as(owner));
    expect(yen.body).toMatchObject({ ...all[1], balances: all });
  });

  test("without a currency is the one used first, also when others come before it in the alphabet", async () => {
    const owner = newOwner();
    await api.book(owner, ["USD"]);
    await api.book(owner, ["AED"]);
    expect((await api.ask("/ledger/balance", api.as(owner))).body).toMatchObject({ currency: "USD" });
  });

  test("without a currency is the tenant's own one where it has one, whatever was used first", async () => {
    const owner = newOwner();
    const own = api.as(owner, "EUR");
    const nothing = { currency: "EUR", balance: 0, balance_display: "€0.00" };
    expect((await api.ask("/ledger/balance", own)).body).toMatchObject(nothing);
    await api.book(owner, ["AED"]);
    expect((await api.ask("/ledger/balance", own)).body).toMatchObject(nothing);
    expect((await api.ask("/ledger/balance?currency=AED", own)).body).toMatchObject({ balance: 1_000 });
  });

  test("of a tenant without movements is nothing, in the asked currency or in none", async () => {
    const owner = newOwner();
    const nothing = { tenant_id: owner.tenantId, mode: "live", balance: 0, balances: [] };
    const without = await api.ask("/ledger/balance", api.as(owner));
    expect(without.body).toMatchObject({ ...nothing, currency: null, balance_display: null });
    const asked = await api.ask("/ledger/balance?currency=EUR", api.as(owner));
    expect(asked.body).toMatchObject({ ...nothing, currency: "EUR", balance_display: "€0.00" });
  });

  test("stays exact where sums outgrow what a double holds", async () => {
    const owner = newOwner();
    await api.book(owner, ["INR"]);
    await api.database.owner`
      update account set credits = 12345678901234567891 where tenant_id = ${owner.tenantId}
                                                          and account = 'tenant_payable'`;
    await api.book(owner, ["INR"]);
    const { text } = await api.ask("/ledger/balance", api.as(owner));
    expect(text).toContain('"balance":12345678901234568891,');
    expect(text).toContain('"balance_display":"₹123,456,789,012,345,688.91"');
    expect((await api.ask("/ledger/accounts", api.as(owner))).text).toContain(
      '"credits":12345678901234568891,',
    );
  });

  test("sees neither another tenant's money nor the other mode's", async () => {
    const owner = newOwner();
    await api.book(owner, ["INR"]);
    for (const stranger of [newOwner(), { ...owner, mode: "test" as const }]) {
      expect((await api.ask("/ledger/balance", api.as(stranger))).body).toMatchObject({
        balance: 0,
        balances: [],
      });
    }
  });
});

describe("GET /ledger/accounts", () => {
  test("lists each account with its sums, by currency and name, a page at a time", async () => {
    const owner = newOwner();
    await api.book(owner, ["USD", "INR"]);
    const headers = api.as(owner);
    const { body } = await api.ask("/ledger/accounts?limit=3", headers);
    expect(body).toMatchObject({ has_more: true });
    const rest = await api.ask(`/ledger/accounts?cursor=${body.next_cursor}`, headers);
    const all = [body, rest.body].flatMap((page) => listed(page).data);
    expect(all.map(({ currency, account }) => `${currency} ${account}`)).toEqual([
      "INR processor_clearing",
      "INR tenant_payable",
      "USD processor_clearing",
      "USD tenant_payable",
    ]);
    expect(all[0]).toMatchObject({
      normal_side: "debit",
      debits: 1_000,
      credits: 0,
      balance: 1_000,
      balance_display: "₹10.00",
      transactions: 1,
    });
    expect((await api.ask("/ledger/accounts", api.as({ ...owner, mode: "test" }))).body).toEqual({
      data: [],
      next_cursor: null,
      has_more: false,
    });
  });
});
