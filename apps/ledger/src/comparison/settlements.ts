import {
  maxSettlements,
  type Settlement,
  SettlementsFound,
  SettlementsPage,
} from "@payflow/contracts/internal-payment.ts";
import type { InternalClient } from "@payflow/service-kit/http/internal-client.ts";

const timeoutMs = 15_000;

/** Payment's books as the ledger reads them. Every call throws `unavailable` while payment is away. */
export type Settlements = ReturnType<typeof createSettlements>;

/** Reads from the payment app what settled. Fails with `unavailable`. */
export function createSettlements(payment: InternalClient) {
  return {
    /** What settled in a window, a page at a time. */
    page(
      window: { readonly from?: Date | undefined; readonly to: Date },
      cursor: string | null,
      limit = maxSettlements,
    ) {
      const query = new URLSearchParams({ to: window.to.toISOString(), limit: String(limit) });
      if (window.from !== undefined) query.set("from", window.from.toISOString());
      if (cursor !== null) query.set("cursor", cursor);
      return payment.call("GET", `/internal/v1/settlements?${query}`, undefined, {
        answer: SettlementsPage,
        timeoutMs,
      });
    },

    /** Payments and refunds by id, in whatever state. */
    async lookup(ids: readonly string[]): Promise<readonly Settlement[]> {
      if (ids.length === 0) return [];
      const found = await payment.call(
        "POST",
        "/internal/v1/settlements/lookup",
        { ids },
        { answer: SettlementsFound, timeoutMs },
      );
      return found.data;
    },
  };
}
