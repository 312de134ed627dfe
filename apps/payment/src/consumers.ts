import type { Consumers } from "@payflow/service-kit/bus/consumers.ts";
import { type TakeFlags, takeFlags } from "./payments/fraud/take-flags.ts";

/** What payment does on each event it reads. */
export function consumers(deps: TakeFlags): Consumers<"payment"> {
  return { "fraud.flagged": (events) => takeFlags(deps, events) };
}
