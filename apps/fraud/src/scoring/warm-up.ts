import { newId } from "@payflow/contracts/ids.ts";
import { maxScoreBatch, type ScoreRequest } from "@payflow/contracts/internal-fraud.ts";
import { type ScorePayments, scorePayments } from "./score-payments.ts";

const rounds = 5;

/**
 * Scores dry batches, so that the first payments find code, connections, script and statements ready. Counts
 * and stores nothing. Throws while a store is away.
 */
export async function warmUp(deps: ScorePayments): Promise<void> {
  const tenantId = newId("ten");
  for (let round = 0; round < rounds; round += 1) {
    const payments = Array.from({ length: maxScoreBatch }, (_, index): ScoreRequest => {
      return {
        payment_id: newId("pay"),
        tenant_id: tenantId,
        mode: "test",
        amount: 100 + index,
        currency: "INR",
        customer_id: `customer-${index}`,
        card_fingerprint: `card-${index}`,
        ip: "192.0.2.1",
        request_id: null,
      };
    });
    await scorePayments(deps, payments, true);
    await deps.decisions.insert([], []);
    await deps.decisions.find(payments.map((payment) => payment.payment_id));
  }
}
