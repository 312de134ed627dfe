import { Type } from "@sinclair/typebox";
import { ModeSchema } from "./access.ts";

/** The schema of the whole body of a webhook that tells of an event that ingest took, for `docs/events/`. */
export const exhaustWebhookSchema = Type.Object({
  event: Type.Literal("payment_exhaust.received"),
  event_id: Type.String({
    description: "Derived from tenant, mode, merchant and the event's own id; also the `webhook-id`.",
  }),
  sequence: Type.Integer({ minimum: 1, description: "Counts the merchant's events in this mode." }),
  payment_id: Type.Null(),
  tenant_id: Type.String(),
  mode: ModeSchema,
  stream_id: Type.String({ description: "As ingest answered it." }),
  payment_exhaust: Type.Object({}, { additionalProperties: true, description: "The event as it was taken." }),
});
