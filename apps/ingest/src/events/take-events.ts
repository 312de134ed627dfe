import type { TenantContext, TenantLimits } from "@payflow/contracts/access.ts";
import { DomainError, unavailable } from "@payflow/contracts/errors.ts";
import type { ChargingRateLimiter } from "@payflow/service-kit/auth/rates/rate-limiter.ts";
import type { Rate } from "@payflow/service-kit/http/access.ts";
import type { RequestFacts } from "@payflow/service-kit/http/request.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { Allowance, Reservation } from "../quotas/allowance.ts";
import type { Pressure } from "../streams/pressure.ts";
import type { AppendResult, StreamWriter } from "../writer/writer.ts";
import { type BodyForm, bodyForm, type Format } from "./bodies/body-form.ts";
import type { BytesInFlight } from "./bodies/bytes-in-flight.ts";
import { readBody } from "./bodies/read-body.ts";
import { arrayElements, expected, lines, type Piece, textOf } from "./bodies/split-body.ts";
import type { AcceptedEvent } from "./event.ts";
import { type InvalidEvent, maxEventLength, type Reading, readEvent } from "./read-event.ts";

export interface TakeEvents {
  readonly writer: Pick<StreamWriter, "append" | "appendOne">;
  readonly eventLimiter: ChargingRateLimiter;
  readonly allowance: Allowance;
  readonly pressure: Pressure;
  readonly inFlight: BytesInFlight;
  readonly metrics: EventMetrics;
  /** Milliseconds since 1970, by the store's clock. */
  readonly now: () => number;
}

export type EventMetrics = ReturnType<typeof eventMetrics>;

/** What is known of events before they reach the writer, which counts the others. */
export function eventMetrics(metrics: Metrics) {
  return {
    invalid: metrics.counter(
      "payflow_ingest_invalid_events_total",
      "Events that were refused for what they say.",
    ),
  };
}

/** A request with events. */
export interface Arrival {
  readonly request: Request;
  readonly facts: RequestFacts;
  readonly tenant: TenantContext;
}

/** An event that was taken, and how it was answered. */
export interface Taken {
  readonly event: AcceptedEvent;
  readonly result: AppendResult;
}

/** What became of an event that was taken, or why it was not. */
export type EventResult = Taken | InvalidEvent;

const maxEvents = 10_000;
const maxBodyBytes = 8 * 1024 * 1024;

const singleFormats: readonly Format[] = ["json", "cloud-event", "binary-cloud-event"];
const batchFormats: readonly Format[] = [...singleFormats, "ndjson", "cloud-event-batch"];

/**
 * Takes the one event of a request. Throws what it is refused for: `invalid_json`, `invalid_request`,
 * `payload_too_large`, `unsupported_media_type`, `rate_limited`, `allowance_exhausted`, `unavailable`.
 */
export function takeEvent(deps: TakeEvents, arrival: Arrival): Promise<Taken> {
  const first = admit(deps, arrival);
  return first === undefined ? takeAdmitted(deps, arrival) : first.then(() => takeAdmitted(deps, arrival));
}

function takeAdmitted(deps: TakeEvents, arrival: Arrival): Promise<Taken> {
  const { tenant } = arrival;
  const form = bodyForm(arrival.request.headers, singleFormats);
  return readPaid(deps, arrival, form, maxEventLength, (bytes) => {
    note(deps, tenant, 1);
    // No body is one without fields, so that the answer tells what is missing.
    const text = bytes.length === 0 ? "{}" : textOf(bytes);
    const event = text === null ? null : readEvent(reading(deps, arrival, form), text);
    if (event === null) throw new DomainError("invalid_json");
    if ("errors" in event) {
      deps.metrics.invalid.inc();
      throw new DomainError("invalid_request", undefined, { errors: event.errors });
    }
    const reservation = deps.allowance.reserve(tenant, 1);
    const storing =
      reservation === null ? deps.writer.appendOne(event) : storeReserved(deps, event, reservation);
    return storing.then((result) => ({ event, result }));
  });
}

async function storeReserved(
  { writer }: TakeEvents,
  event: AcceptedEvent,
  reservation: Promise<Reservation>,
): Promise<AppendResult> {
  const { settle } = await reservation;
  const result = await writer.appendOne(event);
  await settle(result.kind === "stored" ? 1 : 0);
  return result;
}

/**
 * Takes the events of a request, each by itself: what is wrong with one concerns no other. The results are
 * in their order. Throws as `takeEvent` does for what concerns all of them.
 */
export async function takeEvents(deps: TakeEvents, arrival: Arrival): Promise<EventResult[]> {
  const { request, tenant } = arrival;
  await admit(deps, arrival);
  const form = bodyForm(request.headers, batchFormats);
  return readPaid(deps, arrival, form, maxBodyBytes, async (bytes, cost) => {
    const pieces = piecesOf(form.format, bytes);
    if (pieces.length === 0) throw expected("at least one event");
    note(deps, tenant, pieces.length);
    const unpaid = pieces.length - cost;
    if (unpaid > 0) await takeRate(deps, arrival, unpaid);
    return store(deps, tenant, await readAll(reading(deps, arrival, form), pieces));
  });
}

async function store(
  deps: TakeEvents,
  tenant: TenantContext,
  read: readonly (AcceptedEvent | InvalidEvent)[],
): Promise<EventResult[]> {
  const good = read.filter((one): one is AcceptedEvent => !("errors" in one));
  if (good.length < read.length) deps.metrics.invalid.inc(read.length - good.length);
  const reservation = await deps.allowance.reserve(tenant, good.length);
  const results = await deps.writer.append(good);
  await reservation?.settle(results.reduce((sum, { kind }) => sum + (kind === "stored" ? 1 : 0), 0));
  let next = 0;
  return read.map((one) => {
    if ("errors" in one) return one;
    // The writer answers each event in its place.
    const result = results[next] as AppendResult;
    next += 1;
    return { event: one, result };
  });
}

/** Lets a request in whose body is worth reading: there is room for events, and the tenant may send one. */
function admit(deps: TakeEvents, arrival: Arrival): Promise<void> | undefined {
  const { pressure } = deps;
  if (pressure.level === "hard") {
    pressure.note(arrival.tenant.tenantId, 1);
    throw unavailable("Room in the event streams", pressure.retryAfterSeconds);
  }
  return takeRate(deps, arrival, 1);
}

/** What a body costs of the tenant's rate: one event for so many bytes, sent and decompressed. */
const bytesOfAnEvent = 4_096;
const costOf = (bytes: number) => Math.max(1, Math.ceil(bytes / bytesOfAnEvent));

/**
 * Reads a body, and takes from the tenant's rate what that has cost, whatever comes of it; what is to be done
 * with the body gets it and its cost in events, and holds its bytes until it has ended.
 */
async function readPaid<T>(
  { eventLimiter, inFlight }: TakeEvents,
  { request, tenant }: Arrival,
  form: BodyForm,
  limit: number,
  use: (bytes: Uint8Array, cost: number) => Promise<T>,
): Promise<T> {
  const hold = inFlight.hold(tenant.tenantId);
  try {
    let bytes: Uint8Array;
    try {
      bytes = await readBody(request, form.encoding, limit, hold);
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) throw error;
      // Nobody hears this; it is no failure of ours.
      throw new DomainError("invalid_json", "The connection ended before the body did.");
    } finally {
      // The first of them was taken when the request was let in.
      const cost = costOf(hold.bytes) - 1;
      if (cost > 0) eventLimiter.charge(tenant.tenantId, eventRate(tenant.limits), cost);
    }
    return await use(bytes, costOf(hold.bytes));
  } finally {
    hold.release();
  }
}

/** Takes events from the tenant's rate; nothing to wait for where this process has them at hand. */
function takeRate(deps: TakeEvents, { facts, tenant }: Arrival, count: number): Promise<void> | undefined {
  const taken = deps.eventLimiter.take(tenant.tenantId, eventRate(tenant.limits), count);
  const judge = ({ isAllowed, headers }: Awaited<typeof taken>) => {
    facts.headers = headers;
    if (!isAllowed) throw new DomainError("rate_limited", tooManyEvents, { headers });
  };
  if (taken instanceof Promise) return taken.then(judge);
  judge(taken);
  return undefined;
}

const tooManyEvents = "Too many events: wait for `Retry-After`; `RateLimit` says what is left.";

/** The largest body must find room in a full bucket. */
const leastBurst = maxEvents;

function eventRate({ events_per_second: perSecond }: TenantLimits): Rate {
  return { requests_per_second: perSecond, burst: Math.max(leastBurst, perSecond) };
}

/** Counts a tenant's events, and refuses those of a tenant above its share while the streams fill up. */
function note({ pressure }: TakeEvents, { tenantId }: TenantContext, events: number): void {
  pressure.note(tenantId, events);
  if (!pressure.isAbove(tenantId)) return;
  const headers = { "retry-after": String(pressure.retryAfterSeconds) };
  throw new DomainError("rate_limited", "The event streams fill up, and this tenant is above its share.", {
    headers,
  });
}

function reading(deps: TakeEvents, { request, tenant }: Arrival, { format }: BodyForm): Reading {
  return {
    tenant,
    kind: format === "cloud-event-batch" ? "cloud-event" : format,
    headers: request.headers,
    nowMs: deps.now(),
  };
}

function piecesOf(format: Format, bytes: Uint8Array): Piece[] {
  if (format === "ndjson") return lines(bytes, maxEvents);
  if (bytes.length === 0) return [];
  const text = textOf(bytes);
  if (text === null) throw new DomainError("invalid_json");
  const isList = format === "json" || format === "cloud-event-batch";
  return (isList ? arrayElements(text, maxEvents) : [text]).map((one) => ({ text: one }));
}

/** Events that are read before other requests get their turn. */
const eventsAtOnce = 500;

async function readAll(
  reading: Reading,
  pieces: readonly Piece[],
): Promise<(AcceptedEvent | InvalidEvent)[]> {
  const read: (AcceptedEvent | InvalidEvent)[] = [];
  for (const piece of pieces) {
    read.push("problem" in piece ? unreadable(piece.problem) : readPiece(reading, piece.text));
    if (read.length % eventsAtOnce === 0) await new Promise(setImmediate);
  }
  return read;
}

/** A line that is not JSON is one wrong event; in one document nothing else is JSON then. */
function readPiece(reading: Reading, text: string): AcceptedEvent | InvalidEvent {
  const read = readEvent(reading, text);
  if (read !== null) return read;
  if (reading.kind === "ndjson") return unreadable("Expected JSON");
  throw new DomainError("invalid_json");
}

function unreadable(message: string): InvalidEvent {
  return { eventId: null, errors: [{ pointer: "", message }] };
}
