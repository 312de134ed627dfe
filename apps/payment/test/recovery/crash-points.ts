import { defaultLimits, scopes } from "@payflow/contracts/access.ts";
import { requestKey } from "../../src/idempotency/idempotency.ts";
import { type CreatePayment, createPayment } from "../../src/payments/create-payment.ts";
import { createPaymentFields } from "../../src/payments/payments.contract.ts";
import { OutcomeUnknown } from "../../src/processor/processor.ts";
import type { TestTenant } from "../payment-app.ts";
import type { RecoveryApp } from "./recovery-app.ts";

const never = () => new Promise<never>(() => {});

/** Tells that a process came this far and got no further. */
function dieAfter(reached: () => void): () => Promise<never> {
  return () => {
    reached();
    return never();
  };
}

/** Where a process may be killed, and what has become of the payment by then. */
export const crashPoints: Readonly<
  Record<string, (deps: CreatePayment, reached: () => void) => CreatePayment>
> = {
  "after the claim": (deps, reached) => ({
    ...deps,
    scorer: { score: dieAfter(reached) },
  }),
  "after the score": (deps, reached) => ({
    ...deps,
    processor: { ...deps.processor, authorize: dieAfter(reached) },
  }),
  "after the charge": (deps, reached) => ({
    ...deps,
    payments: { ...deps.payments, finish: dieAfter(reached) },
  }),
  "after a lost answer": (deps, reached) => ({
    ...deps,
    processor: { ...deps.processor, authorize: () => Promise.reject(new OutcomeUnknown("cut")) },
    payments: { ...deps.payments, postpone: dieAfter(reached) },
  }),
};

/** A payment whose process dies at the given point; the request's key repeats it. */
export async function killedPayment(
  app: RecoveryApp,
  tenant: TestTenant,
  point: string,
  body: Record<string, unknown> = {},
) {
  const context = {
    tenantId: tenant.id,
    mode: "live" as const,
    keyId: "key_test",
    scopes,
    limits: defaultLimits,
    requestId: "req_killed",
  };
  const full = { amount: 1_000, currency: "EUR", ...body };
  const idempotencyKey = crypto.randomUUID();
  const key = requestKey(context, "/payments", idempotencyKey, full, createPaymentFields);
  const { promise, resolve } = Promise.withResolvers<void>();
  const dying = crashPoints[point]?.(app.deps, resolve);
  if (dying === undefined) throw new Error(`no crash point ${point}`);
  void createPayment(dying, context, { body: full, key, isAsync: false });
  await promise;
  const [row] = await app.sql<{ id: string }[]>`
    select id from payment where idempotency_key = ${key.id}`;
  if (row === undefined) throw new Error("the payment was not claimed");
  return {
    id: row.id,
    repeat: () => app.send("POST", "/payments", { key: tenant.live, idempotencyKey, body: full }),
  };
}
