import type { Consumers } from "@payflow/service-kit/bus/consumers.ts";
import { type PostTransfers, postTransfers } from "./journal/post-transfers.ts";
import { captureOf, refundOf } from "./journal/transfer.ts";

/** What the ledger does on each event it reads. */
export function consumers(deps: PostTransfers): Consumers<"ledger"> {
  return {
    "payment.settled": (events, progress) =>
      postTransfers(deps, "payment.settled", events, captureOf, progress),
    "refund.settled": (events, progress) => postTransfers(deps, "refund.settled", events, refundOf, progress),
  };
}
