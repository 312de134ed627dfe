import type { Backoff } from "@payflow/service-kit/retry.ts";
import { backoffMs } from "@payflow/service-kit/retry.ts";

/** Knobs of the recovery; short ones let a test live through a day of it in seconds. */
export interface RecoverySchedule {
  /** From the first call to the first inquiry; also how long the first caller's lease lasts. */
  readonly firstInquiryMs: number;
  /** Between inquiries at most. They go on for ever. */
  readonly maxInquiryMs: number;
  /** How long whoever took work up may hold it. Must be well above the processor's deadline. */
  readonly leaseMs: number;
}

/** Milliseconds until the next inquiry, after the given number of inquiries that told nothing final. */
export function nextInquiryMs(schedule: RecoverySchedule, inquiries: number, random = Math.random): number {
  const backoff: Backoff = { firstMs: schedule.firstInquiryMs * 2, maxMs: schedule.maxInquiryMs };
  return backoffMs(backoff, Math.max(1, inquiries), random);
}
