import { check, sleep } from "k6";
import exec from "k6/execution";
import { Counter } from "k6/metrics";
import { audit, auditMoney } from "./run/audit.ts";
import { besideNoOp, call, noteFirstAnswer } from "./run/calls.ts";
import { checkPaid, type Payment, paymentCall, payOrder } from "./run/paying.ts";
import { optionsOf, summaryOf, timesNoOp } from "./run/scenario.ts";
import { amountOf } from "./run/settings.ts";
import { type Run, registerTenants, setLimits, type Tenant } from "./run/tenants.ts";

/** The loud tenant sends so many requests for one of the quiet one's. */
const loudness = 10;
const amount = amountOf({ rate: 220, seconds: 60 });
/** Requests a second that the loud tenant may send, and at once: a tenth of what it does send. */
const limit = Math.max(1, Math.floor(amount.rate / (loudness + 1)));

const granted = new Counter("loud_granted");
const refused = new Counter("loud_refused");

export const options = optionsOf(amount, {
  "http_req_duration{route:payments}": ["max<5000"],
  // Only the quiet tenant's payments are compared.
  ...timesNoOp(40),
  // The bucket's content at first, then the limit; a twentieth may be lost in advances that went unused.
  loud_granted: [`count<=${limit * (amount.seconds + 1) + limit}`, `count>=${0.7 * limit * amount.seconds}`],
  loud_refused: ["count>0"],
});

export const handleSummary = summaryOf("tenant-fairness");

export function setup(): Run {
  const tenants = registerTenants(2);
  const [, loud] = tenants;
  if (loud === undefined) throw new Error("no tenant was registered");
  setLimits(loud, { requests_per_second: limit, burst: limit });
  // A changed limit is felt everywhere within a second.
  sleep(1);
  return { tenants, startedAt: new Date().toISOString() };
}

export default function send({ tenants: [quiet, loud] }: Run): void {
  const order = exec.scenario.iterationInTest;
  if (quiet === undefined || loud === undefined) return;
  if (order % (loudness + 1) === 0) {
    besideNoOp(true, () => payOrder(quiet, order));
  } else {
    payLoudly(loud, order);
  }
}

function payLoudly(loud: Tenant, order: number): void {
  const answer = call<Payment & { readonly code: string }>(paymentCall(loud, order));
  const isRefused = answer.status === 429;
  noteFirstAnswer(isRefused || answer.status === 201 || answer.status === 202);
  (isRefused ? refused : granted).add(1);
  if (!isRefused) {
    checkPaid(answer, loud, order);
    return;
  }
  check(answer, {
    "who is above its limit is told so, and when to come again": ({ body, headers }) =>
      body.code === "rate_limited" && Number(headers["Retry-After"]) > 0,
  });
}

export function inspect({ tenants: [quiet, loud] }: Run): void {
  audit((iterations) => {
    if (quiet === undefined || loud === undefined) return;
    const orders = Array.from({ length: iterations }, (_, order) => order);
    auditMoney(quiet, { orders: orders.filter((order) => order % (loudness + 1) === 0) });
    setLimits(loud, {});
    sleep(1);
    // Which of its requests were let through only the answers told.
    auditMoney(loud, { orders: null });
  });
}
