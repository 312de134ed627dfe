import { backoffMs } from "@payflow/service-kit/work/retry.ts";

/** Knobs of the recovery; short ones let a test live through a day of it in seconds. */
export interface InquirySchedule {
  /** From a lost answer to the first inquiry. */
  readonly firstInquiryMs: number;
  /** Between two inquiries at most. They go on for ever. */
  readonly maxInquiryMs: number;
  /** How long whoever took work up holds it: an inquiry, a score and a call to the processor must fit in. */
  readonly recoveryLeaseMs: number;
}

/** Milliseconds until the next inquiry, after the given number of inquiries that told nothing final. */
export function nextInquiryMs(schedule: InquirySchedule, inquiries: number, random = Math.random): number {
  const backoff = { firstMs: schedule.firstInquiryMs * 2, maxMs: schedule.maxInquiryMs };
  return backoffMs(backoff, Math.max(1, inquiries), random);
}

/** What a lease has beyond the deadlines it covers: for the database, and for a busy process. */
const leaseSlackMs = 3_000;

/** The schedule that the settings describe. */
export function inquirySchedule(config: {
  readonly FRAUD_TIMEOUT_MS: number;
  readonly PROCESSOR_TIMEOUT_MS: number;
  readonly INQUIRY_FIRST_MS: number;
  readonly INQUIRY_MAX_MS: number;
}): InquirySchedule {
  return {
    firstInquiryMs: config.INQUIRY_FIRST_MS,
    maxInquiryMs: config.INQUIRY_MAX_MS,
    recoveryLeaseMs: 2 * config.PROCESSOR_TIMEOUT_MS + config.FRAUD_TIMEOUT_MS + leaseSlackMs,
  };
}
