import exec from "k6/execution";
import { audit, auditMoney } from "./run/audit.ts";
import { payOrder, tenantOf } from "./run/paying.ts";
import { optionsOf, summaryOf } from "./run/scenario.ts";
import { amountOf } from "./run/settings.ts";
import { type Run, registerTenants } from "./run/tenants.ts";

const amount = amountOf({ rate: 100, seconds: 90 });

// While the load runs, `./payflow loadtest` freezes the ledger for a third of the time and watches its lag.
export const options = optionsOf(amount, {
  "http_req_duration{route:payments}": ["max<5000"],
});

export const handleSummary = summaryOf("lag-recovery");

export function setup(): Run {
  return { tenants: registerTenants(2), startedAt: new Date().toISOString() };
}

export default function pay({ tenants }: Run): void {
  const order = exec.scenario.iterationInTest;
  payOrder(tenantOf(tenants, order), order);
}

export function inspect({ tenants }: Run): void {
  audit((iterations) => {
    const orders = Array.from({ length: iterations }, (_, order) => order);
    for (const [index, tenant] of tenants.entries()) {
      auditMoney(tenant, { orders: orders.filter((order) => order % tenants.length === index) });
    }
  });
}
