import { type Account, normalSide } from "../journal/transfer.ts";

export interface AccountSums {
  readonly account: Account;
  readonly debits: bigint;
  readonly credits: bigint;
}

/** An account's balance in minor units, positive on the side on which the account grows. */
export function balanceOf({ account, debits, credits }: AccountSums): bigint {
  return normalSide(account) === "debit" ? debits - credits : credits - debits;
}
