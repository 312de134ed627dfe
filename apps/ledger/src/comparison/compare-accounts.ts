import type { Finding } from "./compare.ts";
import type { Comparison, Window } from "./compare-page.ts";

export interface AccountsCompared {
  readonly accounts: number;
  readonly findings: readonly Finding[];
}

/**
 * Adds up accounts from their rows: all of them, or those that moved in a window as far as that stays cheap.
 */
export function compareAccounts(
  { books }: Pick<Comparison, "books">,
  window?: Window,
): Promise<AccountsCompared> {
  return books.drift(window);
}
