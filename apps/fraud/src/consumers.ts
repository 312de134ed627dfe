import type { Consumers } from "@payflow/service-kit/bus/consumers.ts";
import { type RecordFailures, recordFailures } from "./scoring/record-failures.ts";
import type { LookAgain } from "./second-look/look-again.ts";
import { noteCreated, noteOutcomes } from "./second-look/note-payments.ts";

/** What fraud does on each event it reads. */
export function consumers(deps: LookAgain & RecordFailures): Consumers<"fraud"> {
  return {
    "payment.created": (events) => noteCreated(deps, events),
    "payment.authorized": (events) => noteOutcomes(deps, events),
    "payment.settled": async (events) => {
      // The look comes first: a payment is not judged by its own failure.
      await noteOutcomes(deps, events);
      await recordFailures(deps, events);
    },
  };
}
