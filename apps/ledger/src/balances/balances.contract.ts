import { displayAmount } from "@payflow/contracts/currencies.ts";
import { Currency, nullable, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { pageQuery } from "@payflow/service-kit/store/paging.ts";
import { type Static, Type } from "@sinclair/typebox";
import { accounts, normalSide } from "../journal/transfer.ts";
import { balanceOf } from "./balance.ts";
import type { HeldAccount } from "./balances.store.ts";
import { exactInteger } from "./exact-integer.ts";

export const BalanceQuery = Type.Object(
  { currency: Type.Optional(Currency) },
  { additionalProperties: false },
);

const Balance = Type.Integer({
  description:
    "In the currency's smallest unit. Sums may pass 2^53: then read the number with a library for large " +
    "integers, or `balance_display`, which is exact.",
});
const Display = Type.String({ description: "As people read it, with the currency's own digits." });

export const BalanceResponse = Type.Object({
  tenant_id: Type.String(),
  mode: oneOf(["live", "test"]),
  currency: nullable(Currency),
  balance: Balance,
  balance_display: nullable(Display),
  balances: Type.Array(Type.Object({ currency: Currency, balance: Balance, balance_display: Display })),
  as_of: Timestamp,
});
export type BalanceResponse = Static<typeof BalanceResponse>;

export const AccountsQuery = Type.Object(pageQuery, { additionalProperties: false });
export type AccountsQuery = Static<typeof AccountsQuery>;

export const AccountResponse = Type.Object({
  account: oneOf(accounts),
  currency: Currency,
  normal_side: oneOf(["debit", "credit"], "The side on which the balance grows."),
  debits: Balance,
  credits: Balance,
  balance: Balance,
  balance_display: Display,
  transactions: Type.Integer({ description: "Movements that touched it." }),
  opened_at: Timestamp,
  updated_at: Timestamp,
});
export type AccountResponse = Static<typeof AccountResponse>;

export const AccountsResponse = Type.Object({
  data: Type.Array(AccountResponse),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
});

/** One currency's balance in numbers and as people read it. */
export function toBalance(currency: string, balanceMinor: bigint) {
  return {
    currency,
    balance: exactInteger(balanceMinor),
    balance_display: displayAmount(balanceMinor, currency),
  };
}

/** An account as the API shows it, amounts in minor units. */
export function toAccount(held: HeldAccount): AccountResponse {
  const { currency, balance, balance_display } = toBalance(held.currency, balanceOf(held));
  return {
    account: held.account,
    currency,
    normal_side: normalSide(held.account),
    debits: exactInteger(held.debits),
    credits: exactInteger(held.credits),
    balance,
    balance_display,
    transactions: held.transfers,
    opened_at: held.openedAt.toISOString(),
    updated_at: held.updatedAt.toISOString(),
  };
}
