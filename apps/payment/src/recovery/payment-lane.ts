import type { PaymentRow } from "../schema.ts";
import { type Hold, holdFrom } from "./hold.ts";
import { type InquirySchedule, nextInquiryMs } from "./inquiry-schedule.ts";
import type { Lane } from "./lanes.ts";
import { type RecoverPayment, recoverPayment } from "./recover-payment.ts";
import { postponePayment, takePayments } from "./recovery.store.ts";

export interface PaymentLane extends RecoverPayment {
  readonly schedule: InquirySchedule;
  /** Payments under way at once in this process. */
  readonly capacity: number;
}

interface HeldPayment {
  readonly payment: PaymentRow;
  readonly hold: Hold;
}

/** Payments that were left `processing`. */
export function paymentLane(deps: PaymentLane): Lane<HeldPayment> {
  const { recoveryLeaseMs, firstInquiryMs } = deps.schedule;
  return {
    name: "payments",
    capacity: deps.capacity,
    async take(limit) {
      const askedAt = performance.now();
      const payments = await takePayments(deps.sql, limit, recoveryLeaseMs);
      return payments.map((payment) => ({
        payment,
        hold: holdFrom(askedAt, payment.fence, recoveryLeaseMs),
      }));
    },
    async handle({ payment, hold }) {
      const recovered = await recoverPayment(deps, payment, hold);
      if (recovered === "ended" || recovered === "taken over") return;
      const inquiries = payment.inquiries + 1;
      // Fraud is ours and comes back soon; a processor without an answer is asked less and less often.
      const waitMs = recovered === "unjudged" ? firstInquiryMs : nextInquiryMs(deps.schedule, inquiries);
      await postponePayment(deps.sql, payment.id, hold.fence, { waitMs, inquiries });
    },
  };
}
