import { newId } from "@payflow/contracts/ids.ts";
import { type ScoreRequest, scoresPath } from "@payflow/contracts/internal-fraud.ts";
import { jsonRequest, type MakeRequest } from "../load/http-load.ts";

export interface ScoreRequests {
  readonly tenantIds: readonly string[];
  readonly internalSecret: string;
  /** Where the numbering of payments goes on. */
  readonly from: number;
}

const customers = 50_000;

/** The facts of a numbered payment; its id is new each time. */
export function scoreRequest(tenantIds: readonly string[], number: number): ScoreRequest {
  const customer = 1 + (number % customers);
  return {
    payment_id: newId("pay"),
    // The modulus keeps the index inside the list.
    tenant_id: tenantIds[number % tenantIds.length] as string,
    mode: "live",
    amount: 100 + (number % 99_900),
    currency: "INR",
    customer_id: `customer-${customer}`,
    card_fingerprint: `card-${customer}`,
    ip: `10.${customer >> 16}.${(customer >> 8) & 255}.${customer & 255}`,
    request_id: null,
  };
}

/** Makes the calls by which payment asks for scores. */
export function scoreRequests({ tenantIds, internalSecret, from }: ScoreRequests): MakeRequest {
  let next = from;
  return (units) => {
    const payments = Array.from({ length: units }, () => scoreRequest(tenantIds, next++));
    return jsonRequest(scoresPath, { "x-internal-token": internalSecret }, JSON.stringify({ payments }));
  };
}
