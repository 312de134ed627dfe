import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { tick } from "../src/reconciliation/reconciler.ts";
import { type Api, asAdmin, listed, openApi } from "./fixture/api.ts";
import { newOwner, paymentSettled } from "./fixture/ledger.ts";
import { minutesAgo, reconcilerOf } from "./fixture/reconciliation.ts";
import {
  type SettlementsServer,
  settlementOf,
  startSettlementsServer,
} from "./fixture/settlements-server.ts";

let api: Api;
let payment: SettlementsServer;
beforeAll(async () => {
  payment = startSettlementsServer();
  api = await openApi();
});
afterAll(async () => {
  await payment.stop();
  await api.close();
});

describe("/ledger/reconciliations", () => {
  const post = (body: unknown, headers: Record<string, string> = asAdmin) =>
    api.ask(
      "/ledger/reconciliations",
      { ...headers, "content-type": "application/json" },
      { method: "POST", body: JSON.stringify(body) },
    );

  test("a run is asked for, carried out, listed and read with its findings by page", async () => {
    const lost = Array.from({ length: 3 }, () =>
      settlementOf(paymentSettled(newOwner(), { at: minutesAgo(30) })),
    );
    for (const one of lost) payment.books.set(one.id, one);
    const before = api.requested.length;
    const window = { from: minutesAgo(40).toISOString(), to: minutesAgo(20).toISOString() };
    const made = await post(window);
    expect(made.status).toBe(202);
    expect(made.body).toMatchObject({ status: "queued", kind: "on_demand", ...window, finished_at: null });
    expect(api.requested).toHaveLength(before + 1);

    await tick(reconcilerOf(api.database.sql, payment), "replica", new AbortController().signal);
    const path = `/ledger/reconciliations/${made.body.reconciliation_id}`;
    const { body } = await api.ask(`${path}?limit=2`, asAdmin);
    expect(body).toMatchObject({
      status: "completed",
      ...window,
      settlements_compared: 3,
      findings_count: 3,
      findings_by_kind: {
        missing_in_ledger: 3,
        missing_in_payment: 0,
        amount_mismatch: 0,
        status_mismatch: 0,
        balance_drift: 0,
      },
    });
    const first = listed(body.findings);
    const second = listed((await api.ask(`${path}?cursor=${first.next_cursor}`, asAdmin)).body.findings);
    const named = [...first.data, ...second.data].map((one) => one.payment_id);
    expect(named.sort()).toEqual(lost.map((one) => one.id).sort());

    const list = await api.ask("/ledger/reconciliations?limit=1", asAdmin);
    expect(list.body.data).toMatchObject([{ reconciliation_id: made.body.reconciliation_id }]);
  });

  test("without a window everything is asked for", async () => {
    expect((await post({})).body).toMatchObject({ from: null, to: null, status: "queued" });
  });

  test("names what is wrong in the request", async () => {
    const wrong: [unknown, string][] = [
      [{ from: "yesterday" }, "/from"],
      [{ to: 5 }, "/to"],
      [{ from: "0000-12-31T23:59:59Z" }, "/from"],
      [{ to: "9999-12-31T23:59:59-10:00" }, "/to"],
      [{ since: "2026-01-01T00:00:00Z" }, "/since"],
      [{ from: "2026-01-02T00:00:00Z", to: "2026-01-01T00:00:00Z" }, "/to"],
    ];
    for (const [body, pointer] of wrong) {
      const answer = await post(body);
      expect([answer.status, answer.body.code]).toEqual([400, "invalid_request"]);
      expect(answer.body.errors).toContainEqual(expect.objectContaining({ pointer }));
    }
    const notJson = { method: "POST", body: "{" };
    const json = { ...asAdmin, "content-type": "application/json" };
    expect(await api.codeOf("/ledger/reconciliations", json, notJson)).toEqual([400, "invalid_json"]);
    const text = { ...asAdmin, "content-type": "text/plain" };
    expect(await api.codeOf("/ledger/reconciliations", text, notJson)).toEqual([
      415,
      "unsupported_media_type",
    ]);
  });

  test("are the platform owner's: a tenant's key is refused, an unknown id is 404, a foreign cursor 400", async () => {
    const key = { authorization: `Bearer ${api.keyOf(newOwner())}` };
    for (const path of ["/ledger/reconciliations", `/ledger/reconciliations/${newId("rec")}`]) {
      expect(await api.codeOf(path, key)).toEqual([401, "invalid_admin_token"]);
      expect(await api.codeOf(path, {})).toEqual([401, "invalid_admin_token"]);
    }
    expect((await post({}, key)).status).toBe(401);
    for (const id of [newId("rec"), "nonsense"]) {
      expect(await api.codeOf(`/ledger/reconciliations/${id}`, asAdmin)).toEqual([404, "not_found"]);
    }
    const cursor = "/ledger/reconciliations?cursor=nonsense";
    expect(await api.codeOf(cursor, asAdmin)).toEqual([400, "invalid_cursor"]);
  });
});
