import exec from "k6/execution";
import { audit, auditMoney } from "./run/audit.ts";
import { besideNoOp } from "./run/calls.ts";
import { payOrder, tenantOf } from "./run/paying.ts";
import { isCompared, optionsOf, summaryOf, timesNoOp } from "./run/scenario.ts";
import { amountOf } from "./run/settings.ts";
import { type Run, registerTenants } from "./run/tenants.ts";

const amount = amountOf({ rate: 200, seconds: 60 });

export const options = optionsOf(amount, {
  // The processor has 3 s and fraud 1 s, after which the payment is answered as open or by the fail mode.
  "http_req_duration{route:payments}": ["max<5000"],
  ...timesNoOp(40),
});

export const handleSummary = summaryOf("payments");

export function setup(): Run {
  return { tenants: registerTenants(4), startedAt: new Date().toISOString() };
}

export default function load({ tenants }: Run): void {
  const order = exec.scenario.iterationInTest;
  besideNoOp(isCompared(amount, order), () => payOrder(tenantOf(tenants, order), order));
}

export function inspect({ tenants }: Run): void {
  audit((iterations) => {
    const orders = Array.from({ length: iterations }, (_, order) => order);
    for (const [index, tenant] of tenants.entries()) {
      auditMoney(tenant, { orders: orders.filter((order) => order % tenants.length === index) });
    }
  });
}
