import { answerDirectly, type DirectRoute } from "@payflow/service-kit/http/door.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import {
  batchBodies,
  type Durability,
  singleBodies,
  TakenEvent,
  TakenEvents,
  toTakenEvent,
  toTakenEvents,
} from "./events.contract.ts";
import { type TakeEvents, takeEvent, takeEvents } from "./take-events.ts";

export interface EventRoutes extends TakeEvents {
  readonly durability: Durability;
}

/** The routes that take events, for the app and for the door past it. */
export function directEventRoutes(deps: EventRoutes): { single: DirectRoute; batch: DirectRoute } {
  return {
    single: {
      path: "/v1/events/payment_exhaust",
      scope: "events:write",
      answer: (request, facts, tenant) =>
        takeEvent(deps, { request, facts, tenant }).then((taken) => ({
          status: 202,
          json: JSON.stringify(toTakenEvent(taken, deps.durability)),
        })),
    },
    batch: {
      path: "/v1/events",
      scope: "events:write",
      answer: (request, facts, tenant) =>
        takeEvents(deps, { request, facts, tenant }).then((taken) => ({
          status: 202,
          json: JSON.stringify(toTakenEvents(taken, deps.durability)),
        })),
    },
  };
}

const aboutRepeats =
  "An id counts for its merchant and mode, for 24 hours at least: the same event again is a duplicate, so " +
  "that any request may be repeated until it is answered; another event under the same id is a conflict. " +
  "Spellings of one UUID are one id.";

const aboutBodies =
  "Bodies may be compressed: `Content-Encoding: gzip` or `zstd`. A CloudEvent in binary mode has its " +
  "attributes in `ce-` headers and the event as its body; in every mode its id serves where the event has no " +
  "`event_id`. Fields may be null, unknown ones are refused by name, and so is a name that stands twice.";

export const eventRoutes = (http: Http, deps: EventRoutes) => {
  const { single, batch } = directEventRoutes(deps);
  return http
    .routes("events")
    .post(single.path, ({ request }) => answerDirectly(http.options, single, request), {
      direct: single.scope,
      detail: operation({
        summary: "Takes one event",
        description:
          `Answered once the event is stored. ${aboutRepeats}\n\nThe body may have 64 KiB, also when ` +
          `decompressed. ${aboutBodies}`,
        responses: { 202: TakenEvent },
        bodies: singleBodies,
        problems: ["event_conflict", "too_many_merchants", "allowance_exhausted"],
      }),
    })
    .post(batch.path, ({ request }) => answerDirectly(http.options, batch, request), {
      direct: batch.scope,
      detail: operation({
        summary: "Takes many events",
        description:
          "An array, lines of JSON, or CloudEvents; from 1 to 10,000 events in up to 8 MiB, also when " +
          "decompressed. Answered once all good ones are stored, with one result for each: a bad event " +
          `spoils no other, but a body that is not JSON as a whole is refused. ${aboutRepeats}\n\n` +
          `${aboutBodies} A tenant's events count against its events a second, and every 4 KiB at least as one.`,
        responses: { 202: TakenEvents },
        bodies: batchBodies,
        problems: ["allowance_exhausted"],
      }),
    });
};
