import { check } from "k6";
import exec from "k6/execution";
import { audit } from "./run/audit.ts";
import { besideNoOp, callUntilAnswered } from "./run/calls.ts";
import { auditEvents, eventOf, linesCall, type Taken } from "./run/events.ts";
import { isCompared, optionsOf, summaryOf, timesNoOp } from "./run/scenario.ts";
import { amountOf } from "./run/settings.ts";
import { type Run, registerTenants } from "./run/tenants.ts";

const amount = amountOf({ rate: 50, seconds: 60 });
const eventsOfARequest = 100;
/** Every so many requests one has an event twice, and one that is none. */
const spoiltEvery = 5;

export const options = optionsOf(amount, {
  "http_req_duration{route:events}": ["max<5000"],
  ...timesNoOp(40),
});

export const handleSummary = summaryOf("ingest-batch");

export function setup(): Run {
  return { tenants: registerTenants(1), startedAt: new Date().toISOString() };
}

export default function send(run: Run): void {
  const [tenant] = run.tenants;
  if (tenant === undefined) return;
  const request = exec.scenario.iterationInTest;
  const lines = Array.from({ length: eventsOfARequest }, (_, index) =>
    JSON.stringify(eventOf(run, request * eventsOfARequest + index)),
  );
  const isSpoilt = request % spoiltEvery === 0;
  const repeated = lines[0] ?? "";
  const sent = isSpoilt ? [repeated, '{"event_type": "payment_failed"}', ...lines] : lines;
  const answer = besideNoOp(isCompared(amount, request), () =>
    callUntilAnswered<Taken>(linesCall(tenant, sent, request % 2 === 1)),
  );
  const statuses = (answer.body.results ?? []).map(({ status }) => status);
  const known = answer.body.duplicates ?? 0;
  check(answer, {
    "each event of a request has a result of its own, and is on disk": () =>
      answer.status === 202 && answer.body.durability === "fsync" && statuses.length === sent.length,
    "an event that is none spoils no neighbour": () =>
      (answer.body.rejected ?? 0) === (isSpoilt ? 1 : 0) &&
      // A request that broke off may have been stored before it was sent again.
      (answer.body.accepted ?? 0) + known === sent.length - (isSpoilt ? 1 : 0),
    "an event that stands twice in a request is stored once": () =>
      !isSpoilt || (statuses[1] === "invalid" && statuses[2] === "duplicate"),
  });
}

export function inspect(run: Run): void {
  const [tenant] = run.tenants;
  audit((iterations) => {
    if (tenant !== undefined) auditEvents(run, tenant, iterations * eventsOfARequest);
  });
}
