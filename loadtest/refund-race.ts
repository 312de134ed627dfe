import { check } from "k6";
import exec from "k6/execution";
import { audit, auditMoney } from "./run/audit.ts";
import { type Answer, type Call, call, callTogetherUntilAnswered, callUntilAnswered } from "./run/calls.ts";
import { amountOfOrder, type Payment, payOrder } from "./run/paying.ts";
import { optionsOf, summaryOf } from "./run/scenario.ts";
import { amountOf, urls } from "./run/settings.ts";
import { type Run, registerTenants, type Tenant } from "./run/tenants.ts";

const amount = amountOf({ rate: 20, seconds: 60 });
/** Refunds of a quarter that are asked for at once: four find room, whichever they are. */
const contenders = 8;
const winners = 4;

export const options = optionsOf(amount, {
  "http_req_duration{route:refunds}": ["max<5000"],
});

export const handleSummary = summaryOf("refund-race");

interface Refund {
  readonly status: string;
  readonly amount: number;
  readonly code?: string;
}

export function setup(): Run {
  return { tenants: registerTenants(1), startedAt: new Date().toISOString() };
}

export default function race({ tenants: [tenant] }: Run): void {
  if (tenant === undefined) return;
  const order = exec.scenario.iterationInTest;
  const { payment_id } = payOrder(tenant, order).body;
  const calls = Array.from({ length: contenders }, (_, index) =>
    refundCall(tenant, payment_id, `refund-${order}-${index}`, quarterOf(order)),
  );
  const answers = callTogetherUntilAnswered<Refund>(calls);
  const afterwards = readPayment(tenant, payment_id);
  check(answers, {
    "exactly as many refunds are granted as there is room for": () =>
      answers.filter(isGranted).length === winners &&
      answers.filter(isRefused).length === contenders - winners,
    "what was given back is what was granted": () =>
      afterwards.body.amount_refunded === winners * quarterOf(order),
  });
  const rest = restOf(order);
  if (rest === 0) return;
  const last = callUntilAnswered<Refund>(refundCall(tenant, payment_id, `rest-${order}`));
  const none = callUntilAnswered<Refund>(refundCall(tenant, payment_id, `none-${order}`));
  check(last, {
    "the rest is given back once, and nothing after it": () =>
      isGranted(last) && last.body.amount === rest && isRefused(none),
  });
}

/** A refund; of all that is left when no amount is given. */
function refundCall(tenant: Tenant, paymentId: string, idempotencyKey: string, refunded?: number): Call {
  return {
    method: "POST",
    url: `${urls.payment}/payments/${paymentId}/refunds`,
    route: "refunds",
    key: tenant.key,
    headers: { "idempotency-key": idempotencyKey },
    body: refunded === undefined ? {} : { amount: refunded },
  };
}

function readPayment(tenant: Tenant, paymentId: string): Answer<Payment> {
  const url = `${urls.payment}/payments/${paymentId}`;
  return call<Payment>({ method: "GET", url, route: "payment", key: tenant.key });
}

const quarterOf = (order: number) => Math.floor(amountOfOrder(order) / winners);
const restOf = (order: number) => amountOfOrder(order) - winners * quarterOf(order);
const isGranted = ({ status, body }: Answer<Refund>) => status === 201 && body.status === "succeeded";
const isRefused = ({ status, body }: Answer<Refund>) =>
  status === 422 && body.code === "refund_exceeds_captured";

export function inspect({ tenants: [tenant] }: Run): void {
  audit((iterations) => {
    if (tenant === undefined) return;
    const orders = Array.from({ length: iterations }, (_, order) => order);
    const rests = orders.filter((order) => restOf(order) > 0).length;
    auditMoney(tenant, { orders, refunds: winners * iterations + rests });
  });
}
