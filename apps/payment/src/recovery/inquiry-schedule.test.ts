import { expect, test } from "bun:test";
import { hasTimeFor, holdFrom } from "./hold.ts";
import { inquirySchedule, nextInquiryMs } from "./inquiry-schedule.ts";

const config = {
  FRAUD_TIMEOUT_MS: 250,
  PROCESSOR_TIMEOUT_MS: 3_000,
  INQUIRY_FIRST_MS: 5_000,
  INQUIRY_MAX_MS: 3_600_000,
};

test("inquiries come less and less often until they come hourly, for ever", () => {
  const schedule = inquirySchedule(config);
  const latest = (inquiries: number) => nextInquiryMs(schedule, inquiries, () => 1);
  expect([1, 2, 3, 9, 10, 11, 1_000_000].map(latest)).toEqual([
    10_000, 20_000, 40_000, 2_560_000, 3_600_000, 3_600_000, 3_600_000,
  ]);
  expect(nextInquiryMs(schedule, 1, () => 0)).toBe(5_000);
});

test("a recovery's lease covers an inquiry, a score and a call", () => {
  expect(inquirySchedule(config).recoveryLeaseMs).toBeGreaterThan(3_000 + 250 + 3_000);
});

test("a hold counts from before it was asked for, and a call must end within it", () => {
  const hold = holdFrom(1_000, 7, 5_000);
  expect(hold).toEqual({ fence: 7, endsAt: 6_000 });
  expect(hasTimeFor(hold, 3_000, 2_999)).toBeTrue();
  expect(hasTimeFor(hold, 3_000, 3_000)).toBeFalse();
});
