import { check } from "k6";
import exec from "k6/execution";
import { audit, auditMoney } from "./run/audit.ts";
import { type Answer, besideNoOp, callUntilAnswered } from "./run/calls.ts";
import { auditEvents, checkStored, eventOf, singleCall, type Taken } from "./run/events.ts";
import { type Payment, paymentCall, payOrder, tenantOf } from "./run/paying.ts";
import { isCompared, optionsOf, summaryOf, timesNoOp } from "./run/scenario.ts";
import { amountOf, urls } from "./run/settings.ts";
import { type Run, registerTenants, type Tenant } from "./run/tenants.ts";

const amount = amountOf({ rate: 50, seconds: 600 });

/** Every so many orders one is given back, sent again, or looked up. */
const refundedEvery = 10;
const repeatedEvery = 7;
const readEvery = 9;

export const options = optionsOf(amount, {
  "http_req_duration{route:payments}": ["max<5000"],
  "http_req_duration{route:event}": ["max<5000"],
  ...timesNoOp(40),
});

export const handleSummary = summaryOf("soak");

/** The first tenant only sends events; the others pay. */
export function setup(): Run {
  return { tenants: registerTenants(4), startedAt: new Date().toISOString() };
}

export default function work(run: Run): void {
  const number = exec.scenario.iterationInTest;
  const [sender, ...payers] = run.tenants;
  if (sender === undefined) return;
  const tenant = tenantOf(payers, number);
  const paid = besideNoOp(isCompared(amount, number), () => payOrder(tenant, number));
  checkStored(callUntilAnswered<Taken>(singleCall(sender, eventOf(run, number))), number);
  if (number % repeatedEvery === 0) repeat(tenant, number, paid);
  if (number % readEvery === 0) read(tenant, paid);
  if (number % refundedEvery === 0) refund(tenant, number, paid.body.payment_id);
}

function repeat(tenant: Tenant, order: number, paid: Answer<Payment>): void {
  const again = callUntilAnswered<Payment>(paymentCall(tenant, order));
  check(again, {
    "a repetition makes no second payment": () => again.body.payment_id === paid.body.payment_id,
  });
}

function read(tenant: Tenant, paid: Answer<Payment>): void {
  const url = `${urls.payment}/payments/${paid.body.payment_id}`;
  const found = callUntilAnswered<Payment>({ method: "GET", url, route: "payment", key: tenant.key });
  check(found, {
    "a payment that was answered is found as it was answered": () =>
      found.status === 200 && found.body.amount === paid.body.amount,
  });
}

function refund(tenant: Tenant, order: number, paymentId: string): void {
  const given = callUntilAnswered<{ status: string }>({
    method: "POST",
    url: `${urls.payment}/payments/${paymentId}/refunds`,
    route: "refunds",
    key: tenant.key,
    headers: { "idempotency-key": `refund-${order}` },
    body: {},
  });
  check(given, {
    "a payment is given back in full": ({ status, body }) => status === 201 && body.status === "succeeded",
  });
}

export function inspect(run: Run): void {
  const [sender, ...payers] = run.tenants;
  audit((iterations) => {
    if (sender === undefined) return;
    const all = Array.from({ length: iterations }, (_, order) => order);
    for (const [index, tenant] of payers.entries()) {
      const orders = all.filter((order) => order % payers.length === index);
      auditMoney(tenant, { orders, refunds: orders.filter((order) => order % refundedEvery === 0).length });
    }
    auditEvents(run, sender, iterations);
  });
}
