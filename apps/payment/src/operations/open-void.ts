import type { TransactionSql } from "@payflow/service-kit/store/database.ts";
import { insertOperation } from "./operations.store.ts";

/**
 * Opens the void of a payment that a late flag asks for, within the caller's transaction, which holds the
 * payment's lock. Nobody drives it yet: the recovery takes it up at once.
 */
export async function openFlagVoid(transaction: TransactionSql, paymentId: string): Promise<void> {
  await insertOperation(transaction, {
    id: Bun.randomUUIDv7(),
    paymentId,
    kind: "flag_void",
    amount: null,
    requestId: null,
    idempotencyKey: null,
    leaseMs: 0,
  });
}
