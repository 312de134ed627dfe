import { check, sleep } from "k6";
import exec from "k6/execution";
import { audit, auditMoney } from "./run/audit.ts";
import { type Answer, besideNoOp, type Call, call, callTogetherUntilAnswered } from "./run/calls.ts";
import { amountOfOrder, checkPaid, type Payment, paymentCall } from "./run/paying.ts";
import { isCompared, optionsOf, summaryOf, timesNoOp } from "./run/scenario.ts";
import { amountOf } from "./run/settings.ts";
import { type Run, registerTenants, type Tenant } from "./run/tenants.ts";

const amount = amountOf({ rate: 40, seconds: 60 });
/** Requests with one key that are sent at the same moment. */
const atOnce = 10;
/** Iterations that use one key: the later ones meet a payment that is being made, or has been. */
const stormsOfAKey = 2;

export const options = optionsOf(amount, {
  "http_req_duration{route:payments}": ["max<5000"],
  ...timesNoOp(30),
});

export const handleSummary = summaryOf("idempotency-storm");

export function setup(): Run {
  return { tenants: registerTenants(1), startedAt: new Date().toISOString() };
}

export default function storm({ tenants: [tenant] }: Run): void {
  if (tenant === undefined) return;
  const order = Math.floor(exec.scenario.iterationInTest / stormsOfAKey);
  const request = paymentCall(tenant, order);
  const answers = callTogetherUntilAnswered<Payment>(Array.from({ length: atOnce }, () => request));
  const told = answers.filter(({ status }) => status === 201);
  const early = answers.filter(({ status }) => status !== 201 && status !== 202);
  const replay = besideNoOp(isCompared(amount, exec.scenario.iterationInTest), () => untilMade(request));
  checkPaid(replay, tenant, order);
  check(answers, {
    "all answers with one key are the same bytes": () => told.every(({ text }) => text === replay.text),
    "one of them at most made the payment": () => told.filter(isFirst).length <= 1,
    "those that came too early are told so, and when to come again": () => early.every(isInProgress),
    "a repetition is a replay and says so": () => !isFirst(replay),
  });
  checkOtherBody(tenant, order);
}

/** The request's answer once the payment has been made. */
function untilMade(request: Call): Answer<Payment> {
  for (let left = 50; ; left -= 1) {
    const answer = call<Payment>(request);
    if (answer.status === 201 || left === 0) return answer;
    sleep(0.1);
  }
}

function checkOtherBody(tenant: Tenant, order: number): void {
  const request = paymentCall(tenant, order);
  const body = { ...(request.body as object), amount: amountOfOrder(order) + 1 }; // a payment's body is one
  const other = call<{ code: string; errors?: { pointer: string }[] }>({ ...request, body });
  check(other, {
    "another body under the same key is refused, with what differs": () =>
      other.status === 422 &&
      other.body.code === "idempotency_key_reused" &&
      other.body.errors?.length === 1 &&
      other.body.errors[0]?.pointer === "/amount",
  });
}

const isFirst = ({ headers }: Answer<Payment>) => headers["Idempotent-Replayed"] !== "true";

function isInProgress({ status, text, headers }: Answer<Payment>): boolean {
  return status === 409 && text.includes('"idempotency_in_progress"') && Number(headers["Retry-After"]) > 0;
}

export function inspect({ tenants: [tenant] }: Run): void {
  audit((iterations) => {
    if (tenant === undefined) return;
    const orders = Array.from({ length: Math.ceil(iterations / stormsOfAKey) }, (_, order) => order);
    auditMoney(tenant, { orders });
  });
}
