import { check } from "k6";
import { type Answer, type Call, insist } from "./calls.ts";
import { urls } from "./settings.ts";
import type { Run, Tenant } from "./tenants.ts";

/** Whose payments the events are about, in turn; each merchant's events are counted by ingest. */
const merchants = 50;
/** Events that are sent again in one request, and how many are at most. */
const repeatedAtOnce = 1_000;
const mostRepeated = 200_000;

/** What a route that takes events answers. */
export interface Taken {
  readonly event_id?: string;
  readonly duplicate?: boolean;
  readonly sequence?: number | null;
  readonly durability?: string;
  readonly accepted?: number;
  readonly duplicates?: number;
  readonly rejected?: number;
  readonly results?: readonly { readonly index: number; readonly status: string }[];
}

const merchantOf = (number: number) => `merchant-${number % merchants}`;

/** The event of a number: the same whenever it is sent in a run. */
export function eventOf(run: Run, number: number) {
  return {
    event_type: number % 4 === 0 ? "payment_failed" : "payment_succeeded",
    event_timestamp: run.startedAt,
    event_id: `event-${number}`,
    merchant_id_hash: merchantOf(number),
    payment_intent_id_hash: `intent-${number}`,
    processor: "stripe",
    geo_bucket: "US",
    channel: "web",
  };
}

/** The request that sends one event. */
export function singleCall(tenant: Tenant, event: object): Call {
  return {
    method: "POST",
    url: `${urls.ingest}/v1/events/payment_exhaust`,
    route: "event",
    key: tenant.key,
    body: event,
  };
}

/** The request that sends an event a line. */
export function linesCall(tenant: Tenant, lines: readonly string[], isCompressed = false): Call {
  return {
    method: "POST",
    url: `${urls.ingest}/v1/events`,
    route: "events",
    key: tenant.key,
    headers: { "content-type": "application/x-ndjson" },
    body: lines.join("\n"),
    isCompressed,
  };
}

/**
 * Checks that ingest has the events 0 to `count` - 1 and no other: each is known when it is sent again, the
 * month's count is theirs, and each merchant's next event has the number after its last.
 */
export function auditEvents(run: Run, tenant: Tenant, count: number): void {
  const repeated = repeatAll(run, tenant, count);
  const usage = insist<{ accepted: { live: number } }>({
    method: "GET",
    url: `${urls.ingest}/v1/usage`,
    route: "audit",
    key: tenant.key,
  });
  const nexts = Array.from({ length: Math.min(merchants, count) }, (_, merchant) => {
    const next = { ...eventOf(run, merchant), event_id: `after-${merchant}` };
    return { merchant, answer: insist<Taken>({ ...singleCall(tenant, next), route: "audit" }) };
  });
  check(repeated, {
    "every event that was answered is stored: none is new when it is sent again": () =>
      repeated.sent > 0 && repeated.known === repeated.sent,
    "the month's count is that of the events": () =>
      usage.status === 200 && usage.body.accepted.live === count,
    "each merchant's events are numbered without a gap": () =>
      nexts.every(
        ({ merchant, answer }) =>
          answer.body.sequence === numbersOf(merchant, count) + 1 ||
          // Stored before its answer was lost; a repetition is told no number.
          answer.body.duplicate === true,
      ),
  });
}

/** Sends all events again, or of very many an even part. */
function repeatAll(run: Run, tenant: Tenant, count: number): { sent: number; known: number } {
  const step = Math.ceil(count / mostRepeated);
  let sent = 0;
  let known = 0;
  for (let first = 0; first < count; first += repeatedAtOnce * step) {
    const lines: string[] = [];
    for (let number = first; number < Math.min(count, first + repeatedAtOnce * step); number += step) {
      lines.push(JSON.stringify(eventOf(run, number)));
    }
    const answer = insist<Taken>({ ...linesCall(tenant, lines), route: "audit" });
    sent += lines.length;
    known += answer.body.duplicates ?? 0;
  }
  return { sent, known };
}

/** How many of the numbers below `count` are a merchant's. */
function numbersOf(merchant: number, count: number): number {
  return Math.ceil((count - merchant) / merchants);
}

/** The greatest number a merchant's event was given, as far as this virtual user has seen. */
const lastSeen = new Map<string, number>();

/** Checks the answer to an event that was sent for the first time. */
export function checkStored(answer: Answer<Taken>, number: number): void {
  const { status, body } = answer;
  check(answer, {
    "an event is answered once it is on disk, with a number above all before it": () =>
      status === 202 &&
      body.event_id === `event-${number}` &&
      body.durability === "fsync" &&
      // One that broke off may have been stored before it was sent again.
      (body.duplicate === true || isNext(merchantOf(number), body.sequence ?? 0)),
  });
}

function isNext(merchant: string, sequence: number): boolean {
  const isAbove = sequence > (lastSeen.get(merchant) ?? 0);
  lastSeen.set(merchant, sequence);
  return isAbove;
}
