import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { scopes } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { makeApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { type Api, asAdmin, listed, openApi } from "./fixture/api.ts";
import { newOwner, type Owner, refundSettled, replica } from "./fixture/ledger.ts";

let api: Api;
beforeAll(async () => {
  api = await openApi();
});
afterAll(() => api.close());

describe("GET /ledger/transactions", () => {
  test("shows both sides of each movement", async () => {
    const owner = newOwner();
    const [capture] = await api.book(owner, ["INR"]);
    if (capture === undefined) throw new Error("it was booked");
    const refund = refundSettled(owner, { paymentId: capture.data.payment_id, amount: 300 });
    await replica(api.database.sql).handlers["refund.settled"]([refund]);
    const { body } = await api.ask("/ledger/transactions", api.as(owner));
    const common = { payment_id: capture.data.payment_id, currency: "INR", created_at: expect.any(String) };
    expect(body).toEqual({
      data: [
        {
          ...common,
          journal_id: expect.stringMatching(/^jrn_/),
          type: "refund",
          refund_id: refund.data.refund_id,
          entries: [
            { account: "tenant_payable", direction: "debit", amount: 300 },
            { account: "processor_clearing", direction: "credit", amount: 300 },
          ],
          effective_at: refund.data.settled_at,
        },
        {
          ...common,
          journal_id: expect.stringMatching(/^jrn_/),
          type: "capture",
          entries: [
            { account: "processor_clearing", direction: "debit", amount: 1_000 },
            { account: "tenant_payable", direction: "credit", amount: 1_000 },
          ],
          effective_at: capture.data.settled_at,
        },
      ],
      next_cursor: null,
      has_more: false,
    });
    const id = listed(body).data[1]?.journal_id;
    expect((await api.ask(`/ledger/transactions/${id}`, api.as(owner))).body).toEqual(
      listed(body).data[1] ?? {},
    );
  });

  test("is newest first, and its pages stay stable while movements are added", async () => {
    const owner = newOwner();
    for (let round = 0; round < 4; round += 1) await api.book(owner, ["INR", "USD", "JPY"]);
    const headers = api.as(owner);
    const everything = listed((await api.ask("/ledger/transactions?limit=100", headers)).body).data;
    expect(everything).toHaveLength(12);
    const ids = everything.map((one) => one.journal_id);
    expect(ids).toEqual([...ids].sort().reverse());

    const paged: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page = listed((await api.ask(`/ledger/transactions?limit=5${cursor}`, headers)).body);
      paged.push(...page.data.map((one) => one.journal_id));
      cursor = page.next_cursor === null ? null : `&cursor=${page.next_cursor}`;
      await api.book(owner, ["INR"]);
    }
    expect(paged).toEqual(ids);
  });

  test("can be narrowed to a payment and to a currency", async () => {
    const owner = newOwner();
    const [inr, usd] = await api.book(owner, ["INR", "USD", "INR"]);
    const headers = api.as(owner);
    const ofPayment = await api.ask(`/ledger/transactions?payment_id=${usd?.data.payment_id}`, headers);
    expect(listed(ofPayment.body).data.map((one) => one.currency)).toEqual(["USD"]);
    const ofCurrency = await api.ask("/ledger/transactions?currency=INR", headers);
    expect(listed(ofCurrency.body).data).toHaveLength(2);
    for (const query of [
      `payment_id=${inr?.data.payment_id}&currency=USD`,
      `payment_id=${newId("pay")}`,
      "payment_id=nonsense",
      "currency=CHF",
    ]) {
      expect(listed((await api.ask(`/ledger/transactions?${query}`, headers)).body).data).toEqual([]);
    }
    expect((await api.ask("/ledger/transactions?payment_id=%00", headers)).status).toBe(400);
  });

  test("another tenant and the other mode see nothing of it, and 404 for its id as for none", async () => {
    const owner = newOwner();
    const [event] = await api.book(owner, ["INR"]);
    const [row] = listed((await api.ask("/ledger/transactions", api.as(owner))).body).data;
    for (const stranger of [newOwner(), { ...owner, mode: "test" as const }]) {
      const headers = api.as(stranger);
      for (const query of ["", `?payment_id=${event?.data.payment_id}`]) {
        expect(listed((await api.ask(`/ledger/transactions${query}`, headers)).body).data).toEqual([]);
      }
      const { status, body } = await api.ask(`/ledger/transactions/${row?.journal_id}`, headers);
      expect([status, body.code]).toEqual([404, "not_found"]);
    }
    for (const id of [newId("jrn"), newId("pay"), "nonsense", "%00", "%27"]) {
      const { status, body } = await api.ask(`/ledger/transactions/${id}`, api.as(owner));
      expect([status, body.code]).toEqual([404, "not_found"]);
    }
  });

  test("a cursor is refused for another tenant, mode or list, and when it was changed", async () => {
    const owner = newOwner();
    await api.book(owner, ["INR", "INR"]);
    const { next_cursor: cursor } = listed(
      (await api.ask("/ledger/transactions?limit=1", api.as(owner))).body,
    );
    const misuses: [string, Owner][] = [
      [`/ledger/transactions?cursor=${cursor}`, newOwner()],
      [`/ledger/transactions?cursor=${cursor}`, { ...owner, mode: "test" }],
      [`/ledger/accounts?cursor=${cursor}`, owner],
      [`/ledger/transactions?cursor=A${cursor}`, owner],
      ["/ledger/transactions?cursor=nonsense", owner],
    ];
    for (const [path, who] of misuses) {
      const { status, body } = await api.ask(path, api.as(who));
      expect([status, body.code]).toEqual([400, "invalid_cursor"]);
    }
  });
});

describe("every tenant route", () => {
  const paths = [
    "/ledger/balance",
    "/ledger/accounts",
    "/ledger/transactions",
    `/ledger/transactions/${newId("jrn")}`,
  ];
  test("wants a key, and ledger:read among its scopes", async () => {
    const others = scopes.filter((scope) => scope !== "ledger:read");
    for (const path of paths) {
      expect(await api.codeOf(path, {})).toEqual([401, "invalid_api_key"]);
      expect(await api.codeOf(path, { "x-api-key": makeApiKey("live") })).toEqual([401, "invalid_api_key"]);
      expect(await api.codeOf(path, asAdmin)).toEqual([401, "invalid_api_key"]);
      const poor = { "x-api-key": api.keyOf(newOwner(), others) };
      expect(await api.codeOf(path, poor)).toEqual([403, "insufficient_scope"]);
    }
  });

  test("names wrong and unknown query parameters", async () => {
    const headers = api.as(newOwner());
    const wrong: [string, string][] = [
      ["/ledger/balance?currency=inr", "#/query/currency"],
      ["/ledger/balance?currency=ZZZ", "#/query/currency"],
      ["/ledger/balance?tenant_id=ten_x", "#/query/tenant_id"],
      ["/ledger/transactions?limit=0", "#/query/limit"],
      ["/ledger/transactions?limit=101", "#/query/limit"],
      ["/ledger/transactions?limit=ten", "#/query/limit"],
      ["/ledger/transactions?payment_id=", "#/query/payment_id"],
      ["/ledger/accounts?currency=INR", "#/query/currency"],
    ];
    for (const [path, pointer] of wrong) {
      const { status, body } = await api.ask(path, headers);
      expect([path, status, body.code]).toEqual([path, 400, "invalid_request"]);
      expect(body.errors).toContainEqual(expect.objectContaining({ pointer }));
    }
  });
});
