import { check } from "k6";
import exec from "k6/execution";
import { audit } from "./run/audit.ts";
import { besideNoOp, callUntilAnswered } from "./run/calls.ts";
import { auditEvents, checkStored, eventOf, singleCall, type Taken } from "./run/events.ts";
import { isCompared, optionsOf, summaryOf, timesNoOp } from "./run/scenario.ts";
import { amountOf } from "./run/settings.ts";
import { type Run, registerTenants } from "./run/tenants.ts";

const amount = amountOf({ rate: 500, seconds: 60 });
/** Every so many events one is sent again at once. */
const repeatedEvery = 20;

export const options = optionsOf(amount, {
  "http_req_duration{route:event}": ["max<5000"],
  ...timesNoOp(20),
});

export const handleSummary = summaryOf("ingest-single");

export function setup(): Run {
  return { tenants: registerTenants(1), startedAt: new Date().toISOString() };
}

export default function send(run: Run): void {
  const [tenant] = run.tenants;
  if (tenant === undefined) return;
  const number = exec.scenario.iterationInTest;
  const request = singleCall(tenant, eventOf(run, number));
  const answer = besideNoOp(isCompared(amount, number), () => callUntilAnswered<Taken>(request));
  checkStored(answer, number);
  if (number % repeatedEvery !== 0) return;
  const again = callUntilAnswered<Taken>(request);
  check(again, {
    "an event that is sent again is known": () => again.status === 202 && again.body.duplicate === true,
  });
}

export function inspect(run: Run): void {
  const [tenant] = run.tenants;
  audit((iterations) => {
    if (tenant !== undefined) auditEvents(run, tenant, iterations);
  });
}
