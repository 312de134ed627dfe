import { type Static, type TObject, Type } from "@sinclair/typebox";
import { ModeSchema } from "./access.ts";
import { nullable, oneOf, Timestamp } from "./fields.ts";

const Count = Type.Integer({ minimum: 0 });
const Rate = Type.Number({ minimum: 0, maximum: 1 });

const Sample = Type.Object({
  outcomes: Type.Integer({ minimum: 0, description: "Payments of which the events tell an end." }),
  failures: Count,
  failure_rate: Rate,
});

const judged = {
  processor: Type.String({ description: "As the events name it." }),
  window_from: Timestamp,
  window_to: Timestamp,
  outcomes: Type.Integer({ minimum: 0, description: "Of the window: payments of which events tell an end." }),
  failures: Count,
  baseline: Type.Union([Sample, Type.Null()], {
    description: "The hour before it degraded; null where too little was known of it.",
  }),
  degraded_at: Timestamp,
};

/** What ingest tells of processors by webhook: the fields that follow a webhook's head. */
const processorEventData = {
  "processor.degraded": Type.Object({
    ...judged,
    failure_rate: Rate,
    failure_clusters: Type.Array(
      Type.Object({
        category: Type.String(),
        geography: Type.String(),
        method: Type.String(),
        failures: Count,
      }),
      { maxItems: 5, description: "Where most of the window's failures lie, the largest first." },
    ),
  }),
  "processor.recovered": Type.Object({
    ...judged,
    failure_rate: nullable(Rate),
    reason: oneOf(
      ["rate", "quiet"],
      "Its failures fell, or too few payments reach it to say anything more of it.",
    ),
    recovered_at: Timestamp,
  }),
} as const satisfies Record<string, TObject>;

export type ProcessorEvent = keyof typeof processorEventData;
// The table's own keys, which is all that Object.keys gives of it.
export const processorEvents = Object.keys(processorEventData) as readonly ProcessorEvent[];
export type ProcessorEventData<E extends ProcessorEvent> = Static<(typeof processorEventData)[E]>;

/** The schema of the whole body of a webhook that tells of a processor, as written into `docs/events/`. */
export function processorWebhookSchema(event: ProcessorEvent) {
  return Type.Object({
    event: Type.Literal(event),
    event_id: Type.String({
      description: "Derived from tenant, mode, processor and window; also the `webhook-id`.",
    }),
    sequence: Type.Null(),
    payment_id: Type.Null(),
    tenant_id: Type.String(),
    mode: ModeSchema,
    ...processorEventData[event].properties,
  });
}
