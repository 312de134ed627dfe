import { expect, test } from "bun:test";
import { holdFrom, sendUntil } from "./hold.ts";
import { firstLease, inquirySchedule, nextInquiryMs } from "./inquiry-schedule.ts";

const config = {
  FRAUD_TIMEOUT_MS: 250,
  INQUIRY_FIRST_MS: 5_000,
  INQUIRY_MAX_MS: 3_600_000,
};
const call = { timeoutMs: 3_000, lingerMs: 1_000 };

test("inquiries come less and less often until they come hourly, for ever", () => {
  const schedule = inquirySchedule(config, call);
  const latest = (inquiries: number) => nextInquiryMs(schedule, inquiries, () => 1);
  expect([1, 2, 3, 9, 10, 11, 1_000_000].map(latest)).toEqual([
    10_000, 20_000, 40_000, 2_560_000, 3_600_000, 3_600_000, 3_600_000,
  ]);
  expect(nextInquiryMs(schedule, 1, () => 0)).toBe(5_000);
});

test("a lease covers a score and a call with what may come after it, a recovery's an inquiry too", () => {
  expect(firstLease(config, call)).toBeGreaterThan(250 + 3_000 + 1_000);
  expect(inquirySchedule(config, call).recoveryLeaseMs).toBeGreaterThan(3_000 + 250 + 3_000 + 1_000);
});

test("nobody asks what became of a call while it may still come to be, however short the settings", () => {
  const hasty = inquirySchedule({ ...config, INQUIRY_FIRST_MS: 10, INQUIRY_MAX_MS: 20 }, call);
  expect(hasty.firstInquiryMs).toBe(4_000);
  for (const inquiries of [1, 2, 50]) expect(nextInquiryMs(hasty, inquiries, () => 0)).toBe(4_000);
});

test("a hold counts from before it was asked for, and all that a call can do must come within it", () => {
  const hold = holdFrom(1_000, 7, 5_000);
  expect(hold).toEqual({ fence: 7, endsAt: 6_000 });
  expect(sendUntil(hold, call, 1_999)).toBe(4_999);
  expect(sendUntil(hold, call, 2_000)).toBeNull();
});
