import { afterAll, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { maxScoreSteps, mostScoreSteps } from "@payflow/contracts/internal-fraud.ts";
import { createInternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { createScorer } from "../src/payments/fraud/score-payment.ts";
import type { PaymentRow } from "../src/schema.ts";
import { startFraud } from "./fraud-server.ts";

const secret = "internal-secret-for-tests-only-0123456789";
const fraud = startFraud(secret);
afterAll(() => fraud.stop());

const newScorer = () =>
  createScorer({
    fraud: createInternalClient({ service: "fraud", baseUrl: fraud.url, secret }),
    timeoutMs: 10_000,
    logger: createLogger("test", "silent"),
    metrics: new Metrics("test"),
  });

function payment(tenantId: string): PaymentRow {
  const facts = { amount: 1_000, currency: "EUR", customerId: null, cardFingerprint: null, ip: null };
  // The scorer reads no other fields.
  return { id: newId("pay"), tenantId, mode: "live", requestId: "req_1", ...facts } as PaymentRow;
}

test("a tenant with many payments under many rules keeps no other waiting, and no call counts much", async () => {
  const scorer = newScorer();
  const [heavy, light] = [newId("ten"), newId("ten")];
  const steps = 128;
  fraud.decide((one) => ({ steps: one.tenant_id === heavy ? steps : 16 }));
  await scorer.score(payment(heavy));
  const [calls, asked] = [fraud.calls.length, fraud.asked.length];
  fraud.delay(20);
  const many = Array.from({ length: 400 }, () => scorer.score(payment(heavy)));
  // The first calls are under way.
  await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
  await scorer.score(payment(light));
  expect(fraud.asked.length - asked).toBeLessThan(200);
  const scorings = await Promise.all(many);
  expect(new Set(scorings.map((scoring) => scoring.source))).toEqual(new Set(["score"]));
  expect(Math.max(...fraud.calls.slice(calls))).toBe(maxScoreSteps / steps);
});

test("a tenant whose policy is not known yet is taken for the heaviest, and for what it is afterwards", async () => {
  const scorer = newScorer();
  const tenant = newId("ten");
  fraud.decide(() => ({ steps: 16 }));
  fraud.delay(20);
  const calls = fraud.calls.length;
  const pay = () => Promise.all(Array.from({ length: 256 }, () => scorer.score(payment(tenant))));
  await pay();
  const most = maxScoreSteps / mostScoreSteps;
  expect(fraud.calls.slice(calls, calls + 2)).toEqual([most, most]);
  const known = fraud.calls.length;
  await pay();
  expect(fraud.calls.slice(known)).toEqual([256]);
});
