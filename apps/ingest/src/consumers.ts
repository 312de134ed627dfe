import type { Consumers } from "@payflow/service-kit/bus/consumers.ts";
import { paymentOutcome, refundOutcome } from "./outcomes/outcome.ts";
import type { StreamWriter } from "./writer/writer.ts";

export interface ConsumerDependencies {
  readonly writer: Pick<StreamWriter, "append">;
}

/**
 * What ingest does on each event of the bus: the outcomes of the platform's own payments join the tenant's
 * events. They take nothing from the tenant's rate, allowance or merchants, and heed no mark of the streams'
 * memory; what was stored before is a duplicate.
 */
export function consumers({ writer }: ConsumerDependencies): Consumers<"ingest"> {
  const platform = { isPlatform: true };
  return {
    "payment.settled": async (events) => {
      await writer.append(events.map(paymentOutcome), platform);
    },
    "refund.settled": async (events) => {
      await writer.append(events.map(refundOutcome), platform);
    },
  };
}
