import { afterAll, expect, test } from "bun:test";
import { operationKinds } from "../../src/operations/operation.ts";
import { type RecoveryApp, startRecoveryApp } from "../recovery/recovery-app.ts";

const app = await startRecoveryApp();
afterAll(() => app.close());
app.fraud.decide(({ customer_id }) =>
  customer_id === "suspect" ? { decision: "review" } : customer_id === "thief" ? { decision: "block" } : {},
);

async function underReview(key: string, capture_method = "automatic"): Promise<string> {
  const paid = await app.pay(key, { amount: 900, capture_method, customer_id: "suspect" });
  expect([paid.json.status, paid.json.fraud.decision]).toEqual(["flagged", "review"]);
  return paid.json.payment_id;
}

async function expire(id: string): Promise<void> {
  await app.sql`update payment set due_at = now() - interval '1 second' where id = ${id}`;
  await app.recovery.runOnce();
}

const processorActions: Record<string, string> = { capture: "capture", approve: "capture" };

async function race(
  app: RecoveryApp,
  key: string,
  id: string,
  contenders: Record<string, () => Promise<unknown>>,
) {
  await Promise.all(Object.values(contenders).map((start) => start()));
  const winners = await app.sql<{ kind: string; status: string }[]>`
    select kind, status from operation where payment_id = ${id}`;
  expect(winners).toHaveLength(1);
  const winner = winners[0]?.kind ?? "";
  expect(winners[0]?.status).toBe("done");
  const ofProcessor = await app.followUps(id);
  expect(ofProcessor).toMatchObject([
    { action: processorActions[winner] ?? "void", error_code: null, calls: 1 },
  ]);
  const settled = (await app.events(id)).filter((event) => event.type === "payment.settled");
  expect(settled).toHaveLength(1);
  expect((await app.payment(key, id)).status).toBe(settled[0].data.status);
  return winner;
}

test("of a capture and a void at once one wins, and the processor sees only the winner", async () => {
  const { live } = app.newTenant();
  for (let round = 0; round < 15; round += 1) {
    const id = await app.authorized(live);
    const statuses: number[] = [];
    const send = (name: string) => async () => {
      statuses.push((await app.post(live, `/payments/${id}/${name}`)).status);
    };
    const pair = { capture: send("capture"), void: send("void") };
    await race(app, live, id, round % 2 === 0 ? pair : { void: pair.void, capture: pair.capture });
    expect(statuses.sort()).toEqual([200, 409]);
  }
});

test("of an approval and a rejection at once one wins, and the processor sees only the winner", async () => {
  const { live } = app.newTenant();
  for (let round = 0; round < 15; round += 1) {
    const id = await underReview(live);
    const statuses: number[] = [];
    const decide = (decision: string) => async () => {
      statuses.push((await app.post(live, `/payments/${id}/review`, { decision })).status);
    };
    const pair = { approve: decide("approve"), reject: decide("reject") };
    await race(app, live, id, round % 2 === 0 ? pair : { reject: pair.reject, approve: pair.approve });
    expect(statuses.sort()).toEqual([200, 409]);
  }
});

test("of a capture and the expiry at once one wins, and the processor sees only the winner", async () => {
  const { live } = app.newTenant();
  const winners = new Set<string>();
  for (let round = 0; round < 20; round += 1) {
    const id = await app.authorized(live);
    await app.sql`update payment set due_at = now() - interval '1 second' where id = ${id}`;
    const capture = async () => void (await app.post(live, `/payments/${id}/capture`));
    const expiry = async () => void (await app.recovery.runOnce());
    winners.add(await race(app, live, id, round % 2 === 0 ? { capture, expiry } : { expiry, capture }));
  }
  expect(winners.size).toBeGreaterThan(0);
});

type State = Parameters<typeof stateOf>[1];

/** A payment that came to the given state by the API and the recovery. */
async function stateOf(
  key: string,
  state:
    | "processing"
    | "succeeded"
    | "failed"
    | "authorized"
    | "review, automatic"
    | "review, manual"
    | "blocked"
    | "voided"
    | "expired",
): Promise<string> {
  const pay = async (body: Record<string, unknown>, prefer?: string) =>
    (await app.pay(key, { amount: 900, ...body }, prefer === undefined ? {} : { prefer })).json.payment_id;
  switch (state) {
    case "processing":
      return pay({ payment_method: "pm_card_timeout_then_succeeded" }, "respond-async");
    case "succeeded":
      return pay({});
    case "failed":
      return pay({ payment_method: "pm_card_declined" });
    case "authorized":
      return app.authorized(key);
    case "review, automatic":
      return underReview(key);
    case "review, manual":
      return underReview(key, "manual");
    case "blocked":
      return pay({ customer_id: "thief" });
    case "voided": {
      const id = await app.authorized(key);
      await app.post(key, `/payments/${id}/void`);
      return id;
    }
    case "expired": {
      const id = await app.authorized(key);
      await expire(id);
      return id;
    }
  }
}

const allowed: Readonly<Record<State, readonly string[]>> = {
  processing: [],
  succeeded: ["refund"],
  failed: [],
  authorized: ["capture", "void", "expire", "flag_void"],
  "review, automatic": ["approve", "reject", "expire"],
  "review, manual": ["approve", "reject", "expire"],
  blocked: [],
  voided: [],
  expired: [],
};
// The keys of the record above are its type's.
const states = Object.keys(allowed) as State[];

const requests: Readonly<Record<string, readonly [string, unknown]>> = {
  capture: ["capture", {}],
  void: ["void", {}],
  approve: ["review", { decision: "approve" }],
  reject: ["review", { decision: "reject" }],
  refund: ["refunds", {}],
};

test.each(states)(
  "a payment that is %s admits exactly its operations, and all others are 409",
  async (state) => {
    const { live } = app.newTenant();
    for (const [name, [path, body]] of Object.entries(requests)) {
      const id = await stateOf(live, state);
      const before = await app.payment(live, id);
      const answer = await app.post(live, `/payments/${id}/${path}`, body);
      if (allowed[state].includes(name)) {
        expect([name, answer.status]).toEqual([name, name === "refund" ? 201 : 200]);
      } else {
        expect([name, answer.status, answer.json.code]).toEqual([name, 409, "invalid_state"]);
        expect(await app.payment(live, id)).toEqual(before);
      }
    }
    await app.background.drain();
  },
);

test.each(states)("a payment that is %s admits exactly its operations straight in SQL too", async (state) => {
  const { id: tenantId, live } = app.newTenant();
  const admitted: string[] = [];
  for (const kind of operationKinds) {
    const id = await stateOf(live, state);
    const insert = app.sql`
      insert into operation (id, payment_id, kind, amount, due_at)
      values (gen_random_uuid(), ${id}, ${kind}, ${kind === "capture" ? 900 : null},
              now() + interval '1 hour')`;
    await insert.then(
      () => admitted.push(kind),
      (error: Error) => expect(error.message).toContain("is not possible while it is"),
    );
  }
  const id = await stateOf(live, state);
  const refund = app.sql.begin(async (transaction) => {
    await transaction`update payment set refund_pending = 1 where id = ${id}`;
    await transaction`
      insert into refund (id, payment_id, tenant_id, mode, amount, currency, due_at)
      values (${`ref_${crypto.randomUUID()}`}, ${id}, ${tenantId}, 'live', 1, 'EUR',
              now() + interval '1 hour')`;
  });
  await refund.then(
    () => admitted.push("refund"),
    () => {},
  );
  expect(admitted.sort()).toEqual([...allowed[state]].sort());
  await app.background.drain();
});
