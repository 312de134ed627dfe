import { type Hold, holdFrom } from "../recovery/hold.ts";
import { type InquirySchedule, nextInquiryMs } from "../recovery/inquiry-schedule.ts";
import type { Lane } from "../recovery/lanes.ts";
import type { RefundRow } from "../schema.ts";
import { type DriveRefund, driveRefund } from "./drive-refund.ts";
import { postponeRefund, takeRefunds } from "./refunds.store.ts";

export interface RefundLane extends DriveRefund {
  readonly schedule: InquirySchedule;
  /** Refunds under way at once in this process. */
  readonly capacity: number;
}

interface HeldRefund {
  readonly refund: RefundRow;
  readonly hold: Hold;
}

/** Refunds that somebody left open, and those a late flag asks for. */
export function refundLane(deps: RefundLane): Lane<HeldRefund> {
  const { recoveryLeaseMs } = deps.schedule;
  return {
    name: "refunds",
    capacity: deps.capacity,
    async take(limit) {
      const askedAt = performance.now();
      const refunds = await takeRefunds(deps.sql, limit, recoveryLeaseMs);
      return refunds.map((refund) => ({ refund, hold: holdFrom(askedAt, refund.fence, recoveryLeaseMs) }));
    },
    async handle({ refund, hold }) {
      if ((await driveRefund(deps, refund, hold, true)) !== null) return;
      const inquiries = refund.inquiries + 1;
      const waitMs = nextInquiryMs(deps.schedule, inquiries);
      await postponeRefund(deps.sql, refund.id, hold.fence, { waitMs, inquiries });
    },
  };
}
