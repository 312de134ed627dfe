import { jsonRequest, type MakeRequest } from "../load/http-load.ts";
import type { BenchTenant } from "../tenants.ts";

/** Numbered payments: a number always makes the same request, so that sending it again repeats it. */
export interface PaymentRequests {
  readonly tenants: readonly BenchTenant[];
  /** `next` numbers on from `from`; `again` takes the earlier numbers at random, the first 10,000 at most. */
  readonly order: "next" | "again";
  readonly from: number;
}

/** Makes the requests that create payments, or repeat earlier ones. */
export function paymentRequests({ tenants, order, from }: PaymentRequests): MakeRequest {
  let next = from;
  const repeated = Math.min(from, 10_000);
  return () => {
    const number = order === "next" ? next++ : Math.floor(Math.random() * repeated);
    // The modulus keeps the index inside the list.
    const tenant = tenants[number % tenants.length] as BenchTenant;
    const body = JSON.stringify({
      amount: 100 + (number % 99_900),
      currency: "INR",
      customer_id: `customer-${number}`,
      metadata: { order_id: `${number}` },
    });
    return jsonRequest(
      "/payments",
      { "x-api-key": tenant.apiKey, "idempotency-key": `bench-${number}` },
      body,
    );
  };
}
