import { backoffMs } from "@payflow/service-kit/concurrency/retry.ts";
import type { CallTime } from "./hold.ts";

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

/** What a lease has beyond the times it covers: for our own statements, and for a busy process. */
const leaseSlackMs = 2_000;

/** How long a process holds what a request made: a score and a call to the processor must fit in. */
export function firstLease(config: { readonly FRAUD_TIMEOUT_MS: number }, call: CallTime): number {
  return config.FRAUD_TIMEOUT_MS + call.timeoutMs + call.lingerMs + leaseSlackMs;
}

/**
 * The schedule that the settings describe. Nobody asks what became of a call while it may still come to be,
 * however short the settings are: an inquiry that found nothing would be taken for the truth.
 */
export function inquirySchedule(
  config: {
    readonly FRAUD_TIMEOUT_MS: number;
    readonly INQUIRY_FIRST_MS: number;
    readonly INQUIRY_MAX_MS: number;
  },
  call: CallTime,
): InquirySchedule {
  const callMs = call.timeoutMs + call.lingerMs;
  return {
    firstInquiryMs: Math.max(config.INQUIRY_FIRST_MS, callMs),
    // The back-off waits for half of its ceiling at least.
    maxInquiryMs: Math.max(config.INQUIRY_MAX_MS, 2 * callMs),
    recoveryLeaseMs: call.timeoutMs + firstLease(config, call),
  };
}
