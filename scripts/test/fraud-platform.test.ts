import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomUUID } from "node:crypto";
import http from "node:http";
import { newId } from "@payflow/contracts/ids.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type Answer, call, raiseLimits, registerTenant, type TestTenant } from "./platform/platform.ts";
import { type Replicas, startTwoReplicas } from "./platform/replicas.ts";
import { Truth } from "./platform/truth.ts";

setDefaultTimeout(120_000);

const limits = process.env.PAYFLOW_THOROUGH === undefined ? [100] : [1, 10, 100, 500, 999];
const burst = 1_000;

let replicas: Replicas;
let truth: Truth;

beforeAll(async () => {
  replicas = await startTwoReplicas({
    isDurable: false,
    env: {
      FRAUD_TIMEOUT_MS: "5000",
      PROCESSOR_TIMEOUT_MS: "1000",
      INQUIRY_FIRST_MS: "2000",
      INQUIRY_MAX_MS: "2000",
    },
  });
  truth = new Truth(replicas.installation);
}, 90_000);

afterAll(async () => {
  await truth?.close();
  await replicas?.stop();
});

const paymentUrl = (path: string, replica = 1) => `${replicas.publicUrl("payment", replica)}${path}`;

function pay(tenant: TestTenant, body: Record<string, unknown> = {}, replica = 1): Promise<Answer> {
  const usual = { amount: 1_000, currency: "INR", customer_id: randomUUID() };
  return call(paymentUrl("/payments", replica), "POST", { key: tenant.liveKey, body: { ...usual, ...body } });
}

const read = async (tenant: TestTenant, id: string) =>
  (await call(paymentUrl(`/payments/${id}`), "GET", { key: tenant.liveKey })).body;

async function flagsOf(tenant: TestTenant, id: string) {
  const url = `${replicas.publicUrl("fraud", 1)}/fraud/flags?payment_id=${id}`;
  return (await call(url, "GET", { key: tenant.liveKey })).body.data;
}

/** A tenant under this policy, which every replica of fraud follows once this returns. */
async function tenantWith(policy: Record<string, unknown>): Promise<TestTenant> {
  const tenant = await registerTenant(replicas.installation);
  await raiseLimits(replicas.installation, tenant);
  const url = `${replicas.publicUrl("fraud", 1)}/fraud/policy`;
  const put = await call(url, "PUT", { key: tenant.liveKey, body: policy });
  expect([put.status, put.text]).toEqual([200, expect.any(String)]);
  // The contract lets a replica follow the old one for half a second.
  await Bun.sleep(600);
  return tenant;
}

/** One of very many requests at once: `fetch` would hold most of them back. Answers the status. */
function postAtOnce(replica: number, key: string, body: unknown): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      paymentUrl("/payments", replica),
      {
        method: "POST",
        agent: false,
        headers: { "x-api-key": key, "content-type": "application/json", "idempotency-key": randomUUID() },
      },
      (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
      },
    );
    request.on("error", reject);
    request.end(JSON.stringify(body));
  });
}

describe("with a limit of N, exactly N pass", () => {
  test.each(limits)(`N = %i of ${burst} simultaneous payments to two replicas`, async (limit) => {
    const tenant = await tenantWith({
      rules: [
        {
          kind: "velocity",
          name: "velocity_check",
          key: "customer",
          measure: "count",
          window_seconds: 3_600,
          limit,
          action: "block",
        },
      ],
    });
    const body = { amount: 100, currency: "INR", customer_id: "one-customer" };
    const statuses = await Promise.all(
      Array.from({ length: burst }, (_, index) => postAtOnce(1 + (index % 2), tenant.liveKey, body)),
    );
    expect(statuses.filter((status) => status === 201).length).toBe(limit);
    expect(statuses.filter((status) => status === 402).length).toBe(burst - limit);
    const [charged] = await truth.payment`
      select count(*)::int as payments, count(*) filter (where status = 'succeeded')::int as succeeded,
             count(*) filter (where scoring_source <> 'score')::int as unscored
        from payment where tenant_id = ${tenant.tenantId}`;
    expect({ ...charged }).toEqual({ payments: burst, succeeded: limit, unscored: 0 });
    const ids = await truth.payment`select id from payment where tenant_id = ${tenant.tenantId}`;
    const [journal] = await truth.processor`
      select count(*)::int as charges from charge where key = any(${ids.map((row) => row.id)})`;
    expect(journal?.charges).toBe(limit);

    await deliverAgain(tenant);
    // The next one sees every attempt once: nothing was counted anew.
    const next = await pay(tenant, { customer_id: "one-customer" });
    expect([next.status, next.body.fraud.rules]).toEqual([402, ["velocity_check"]]);
    const url = `${replicas.publicUrl("fraud", 2)}/fraud/decisions/${next.body.payment_id}`;
    const decision = await call(url, "GET", { key: tenant.liveKey });
    expect(decision.body.evaluations).toMatchObject([{ name: "velocity_check", value: burst + 1, limit }]);
  });

  /**
   * Asks both replicas of fraud again for every payment, as a repeated call does: the first answer stands.
   */
  async function deliverAgain(tenant: TestTenant): Promise<void> {
    const rows = await truth.payment`
      select id as payment_id, tenant_id, mode, amount::float8 as amount, currency, customer_id,
             card_fingerprint, ip, request_id, fraud_decision
        from payment where tenant_id = ${tenant.tenantId}`;
    for (const replica of [1, 2]) {
      for (let from = 0; from < rows.length; from += 250) {
        const batch = rows.slice(from, from + 250);
        const payments = batch.map(({ fraud_decision: _, ...request }) => request);
        const url = `${replicas.installation.replicaUrl("fraud", replica)}/internal/v1/scores`;
        const headers = { "x-internal-token": replicas.installation.secrets.internalServiceSecret };
        const again = await call(url, "POST", { body: { payments }, headers });
        expect(again.body.decisions.map((one: { decision: string }) => one.decision)).toEqual(
          batch.map((row) => row.fraud_decision),
        );
      }
    }
  }
});

describe("with fraud away, the tenant's fail mode decides and the decision says so:", () => {
  const large = { kind: "amount", name: "too_large", max: 50_000, action: "block" };
  const tenants: Record<string, TestTenant> = {};
  const made: Record<string, Answer> = {};
  const unscored = (decision: string) => ({ decision, score: null, rules: ["fail_mode"], late_flag: false });
  const tenantOf = (name: string) => tenants[name] ?? expect.unreachable();
  const madeOf = (name: string) => made[name] ?? expect.unreachable();

  beforeAll(async () => {
    for (const [name, policy] of Object.entries({
      allow: { rules: [large], fail_mode: "allow" },
      refund: { rules: [large], fail_mode: "allow", late_block: "refund" },
      review: { rules: [large], fail_mode: "review" },
      block: { rules: [large], fail_mode: "block" },
    })) {
      const tenant = await tenantWith(policy);
      tenants[name] = tenant;
      // Each replica of payment learns the fail mode from an answer.
      for (const replica of [1, 2]) expect((await pay(tenant, {}, replica)).status).toBe(201);
    }
    const { installation } = replicas.installation;
    await Promise.all([1, 2].map((replica) => installation.stopApp("fraud", replica, "SIGKILL")));
    const manual = { capture_method: "manual" };
    made.allowed = await pay(tenantOf("allow"), { amount: 1_000 }, 1);
    made.late = await pay(tenantOf("allow"), { amount: 60_000 }, 2);
    made.lateManual = await pay(tenantOf("allow"), { amount: 60_000, ...manual }, 1);
    made.lateRefund = await pay(tenantOf("refund"), { amount: 60_000 }, 2);
    made.review = await pay(tenantOf("review"), { amount: 1_000 }, 1);
    made.block = await pay(tenantOf("block"), { amount: 1_000 }, 2);
    made.unknown = await pay(await registerTenant(replicas.installation), {}, 1);
    await Promise.all([1, 2].map((replica) => installation.startApp("fraud", replica)));
  });

  test("allow takes the payment", () => {
    expect([madeOf("allowed").status, madeOf("allowed").body.status]).toEqual([201, "succeeded"]);
    expect(madeOf("allowed").body.fraud).toEqual(unscored("allow"));
  });

  test("review holds it, also for a tenant that no replica knows", () => {
    for (const name of ["review", "unknown"]) {
      expect([name, madeOf(name).status, madeOf(name).body.status]).toEqual([name, 201, "flagged"]);
      expect(madeOf(name).body.fraud).toEqual(unscored("review"));
    }
  });

  test("block refuses it, and nothing is charged", async () => {
    expect([madeOf("block").status, madeOf("block").body.error.code]).toEqual([402, "fraud_blocked"]);
    expect(madeOf("block").body.fraud).toEqual(unscored("block"));
    const id = madeOf("block").body.payment_id;
    expect((await truth.processor`select 1 from charge where key = ${id}`).length).toBe(0);
  });

  test("the second look tells of what was held or blocked, once", async () => {
    for (const name of ["review", "block"]) {
      const id = madeOf(name).body.payment_id;
      const flags = await eventually(
        async () => {
          const found = await flagsOf(tenantOf(name), id);
          expect(found).not.toBeEmpty();
          return found;
        },
        { timeoutMs: 30_000 },
      );
      expect(flags).toMatchObject([{ rule_triggered: "fail_mode", decision: name, late: true }]);
      await eventually(async () => (await read(tenantOf(name), id)).fraud.late_flag === true);
    }
    // Neither a capture nor a release followed from it.
    expect((await read(tenantOf("review"), madeOf("review").body.payment_id)).status).toBe("flagged");
  });

  test("what the second look allows stays as it is, without a flag", async () => {
    const id = madeOf("allowed").body.payment_id;
    await eventually(
      async () => {
        const url = `${replicas.publicUrl("fraud", 1)}/fraud/decisions/${id}`;
        expect((await call(url, "GET", { key: tenantOf("allow").liveKey })).body.decision).toBe("allow");
      },
      { timeoutMs: 30_000 },
    );
    expect(await flagsOf(tenantOf("allow"), id)).toEqual([]);
    expect((await read(tenantOf("allow"), id)).fraud.late_flag).toBe(false);
  });

  test("what it would have blocked is noted if captured, voided if authorized, refunded if so asked", async () => {
    const becomes = (tenant: string, name: string, wanted: Record<string, unknown>) =>
      eventually(
        async () => {
          const payment = await read(tenantOf(tenant), madeOf(name).body.payment_id);
          expect(payment).toMatchObject({ ...wanted, fraud: { late_flag: true } });
        },
        { timeoutMs: 30_000 },
      );
    await becomes("allow", "late", { status: "succeeded", amount_refunded: 0 });
    await becomes("allow", "lateManual", { status: "voided", amount_captured: 0 });
    await becomes("refund", "lateRefund", { status: "succeeded", amount_refunded: 60_000 });
    const flags = await flagsOf(tenantOf("refund"), madeOf("lateRefund").body.payment_id);
    expect(flags).toMatchObject([
      { rule_triggered: "too_large", decision: "block", late: true, refund: true },
    ]);
  });
});

describe("a late block from fraud finds the payment", () => {
  let tenant: TestTenant;
  beforeAll(async () => {
    tenant = await registerTenant(replicas.installation);
  });

  /** Tells it as fraud does: by its outbox, the bus and payment's consumer; twice, as a bus may. */
  async function flag(paymentId: string, refund: boolean): Promise<void> {
    const now = new Date().toISOString();
    const data = {
      payment_id: paymentId,
      rule_triggered: "velocity_check",
      risk_score: 90,
      decision: "block",
      late: true,
      refund,
      flagged_at: now,
    };
    const envelope = JSON.stringify({
      event_id: newId("evt"),
      type: "fraud.flagged",
      version: 1,
      tenant_id: tenant.tenantId,
      mode: "live",
      key: paymentId,
      sequence: null,
      occurred_at: now,
      request_id: null,
      data,
    });
    for (let time = 0; time < 2; time += 1) {
      await truth.fraud`insert into outbox (topic, key, envelope)
        values ('fraud.flagged', ${paymentId}, ${envelope})`;
    }
  }

  const outcome = (id: string, wanted: Record<string, unknown>) =>
    eventually(
      async () => {
        const payment = await read(tenant, id);
        expect(payment).toMatchObject({ ...wanted, fraud: { late_flag: true } });
      },
      { timeoutMs: 30_000 },
    );

  const post = async (id: string, what: string, body: object) =>
    call(paymentUrl(`/payments/${id}/${what}`), "POST", { key: tenant.liveKey, body });

  test.each([
    ["succeeded", {}, false, { status: "succeeded", amount_refunded: 0 }],
    ["succeeded, with a refund wanted", {}, true, { status: "succeeded", amount_refunded: 1_000 }],
    ["authorized", { capture_method: "manual" }, true, { status: "voided", amount_captured: 0 }],
    ["failed", { payment_method: "pm_card_declined" }, true, { status: "failed" }],
    ["under review", { amount: 900_000 }, true, { status: "flagged", amount_captured: 0 }],
  ])("%s", async (_state, body, refund, wanted) => {
    const { payment_id: id } = (await pay(tenant, body)).body;
    await flag(id, refund);
    await outcome(id, wanted);
  });

  test("processing, and waits for its end: then captured money goes back, and a hold is released", async () => {
    const lost = { payment_method: "pm_card_timeout_then_succeeded" };
    const captured = await pay(tenant, lost);
    const held = await pay(tenant, { ...lost, capture_method: "manual" });
    const refused = await pay(tenant, { payment_method: "pm_card_timeout_then_failed" });
    for (const one of [captured, held, refused]) {
      expect([one.status, one.body.status]).toEqual([202, "processing"]);
      await flag(one.body.payment_id, true);
    }
    await outcome(captured.body.payment_id, { status: "succeeded", amount_refunded: 1_000 });
    await outcome(held.body.payment_id, { status: "voided", amount_captured: 0 });
    await outcome(refused.body.payment_id, { status: "failed", amount_captured: 0 });
  });

  test("voided, expired or blocked already, and only leaves a note", async () => {
    const manual = { capture_method: "manual" };
    const [voided, expired] = [await pay(tenant, manual), await pay(tenant, manual)];
    expect((await post(voided.body.payment_id, "void", {})).body.status).toBe("voided");
    await truth.payment`update payment set due_at = now() where id = ${expired.body.payment_id}`;
    await eventually(async () => (await read(tenant, expired.body.payment_id)).status === "expired");
    const customer = { customer_id: "too-often" };
    await Promise.all(Array.from({ length: 10 }, () => pay(tenant, customer)));
    const blocked = await pay(tenant, customer);
    expect(blocked.body.error.code).toBe("fraud_blocked");
    for (const one of [voided, expired, blocked]) await flag(one.body.payment_id, true);
    await outcome(voided.body.payment_id, { status: "voided" });
    await outcome(expired.body.payment_id, { status: "expired" });
    await outcome(blocked.body.payment_id, { status: "flagged", amount_captured: 0 });
  });

  test("and in the end all books agree, with each refund and void made once", async () => {
    await truth.settled();
    await truth.addsUp();
    const twice = await truth.processor`
      select charge_key, action from follow_up group by charge_key, action having count(*) > 1`;
    expect([...twice]).toEqual([]);
  });
});
