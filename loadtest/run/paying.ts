import { check } from "k6";
import { type Answer, type Call, callUntilAnswered } from "./calls.ts";
import { urls } from "./settings.ts";
import type { Tenant } from "./tenants.ts";

export const currency = "INR";

/** What scenarios read of a payment. */
export interface Payment {
  readonly payment_id: string;
  readonly tenant_id: string;
  readonly amount: number;
  readonly amount_captured: number;
  readonly amount_refunded: number;
  readonly currency: string;
  readonly status: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The amount of an order in minor units: it follows from the number, and stays below what is reviewed. */
export function amountOfOrder(order: number): number {
  return 100 + ((order * 37) % 99_900);
}

/** The request that pays an order. Its customer is its own, so that no rule on velocity is met. */
export function paymentCall(tenant: Tenant, order: number): Call {
  return {
    method: "POST",
    url: `${urls.payment}/payments`,
    route: "payments",
    key: tenant.key,
    headers: { "idempotency-key": `order-${order}` },
    body: {
      amount: amountOfOrder(order),
      currency,
      customer_id: `customer-${order}`,
      metadata: { order: `${order}` },
    },
  };
}

/** Pays an order and checks that the answer is that very payment, captured in full. */
export function payOrder(tenant: Tenant, order: number): Answer<Payment> {
  const answer = callUntilAnswered<Payment>(paymentCall(tenant, order));
  checkPaid(answer, tenant, order);
  return answer;
}

/**
 * Checks that an answer tells of an order's payment: captured in full or, where the processor is late, open.
 */
export function checkPaid(answer: Answer<Payment>, tenant: Tenant, order: number): void {
  const { status, body } = answer;
  check(answer, {
    "a payment is answered with its own order, amount and tenant, captured in full": () =>
      (status === 201
        ? body.status === "succeeded" && body.amount_captured === body.amount
        : status === 202 && body.status === "processing") &&
      body.amount === amountOfOrder(order) &&
      body.currency === currency &&
      body.tenant_id === tenant.id &&
      body.metadata.order === `${order}`,
  });
}

/** Whose order a number is: tenants take turns. */
export function tenantOf(tenants: readonly Tenant[], order: number): Tenant {
  const tenant = tenants[order % tenants.length];
  if (tenant === undefined) throw new Error("no tenant was registered");
  return tenant;
}
