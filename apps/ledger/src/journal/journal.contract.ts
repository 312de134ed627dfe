import { Currency, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { pageQuery } from "@payflow/service-kit/store/paging.ts";
import { type Static, Type } from "@sinclair/typebox";
import type { TransferRow } from "../schema.ts";
import { accounts, transferTypes } from "./transfer.ts";

const Id = Type.String({ minLength: 1, maxLength: 255 });

export const TransactionsQuery = Type.Object(
  {
    ...pageQuery,
    payment_id: Type.Optional(Id),
    currency: Type.Optional(Currency),
  },
  { additionalProperties: false },
);
export type TransactionsQuery = Static<typeof TransactionsQuery>;

export const TransactionParams = Type.Object({ id: Type.String() }, { additionalProperties: false });

const Entry = Type.Object({
  account: oneOf(accounts),
  direction: oneOf(["debit", "credit"]),
  amount: Type.Integer({ minimum: 1, description: "In the currency's smallest unit." }),
});

export const TransactionResponse = Type.Object({
  journal_id: Type.String(),
  type: oneOf(transferTypes),
  payment_id: Type.String(),
  refund_id: Type.Optional(Type.String({ description: "Of refunds." })),
  currency: Currency,
  entries: Type.Array(Entry, { description: "Debits equal credits." }),
  effective_at: Timestamp,
  created_at: Timestamp,
});
export type TransactionResponse = Static<typeof TransactionResponse>;

export const TransactionsResponse = Type.Object({
  data: Type.Array(TransactionResponse),
  next_cursor: Type.Union([Type.String(), Type.Null()]),
  has_more: Type.Boolean(),
});

/** A movement as tenants see it: its two sides as entries. */
export function toTransaction(row: TransferRow): TransactionResponse {
  return {
    journal_id: row.journalId,
    type: row.type,
    payment_id: row.paymentId,
    ...(row.refundId === null ? {} : { refund_id: row.refundId }),
    currency: row.currency,
    entries: [
      { account: row.debitAccount, direction: "debit", amount: row.amount },
      { account: row.creditAccount, direction: "credit", amount: row.amount },
    ],
    effective_at: row.effectiveAt.toISOString(),
    created_at: row.createdAt.toISOString(),
  };
}
