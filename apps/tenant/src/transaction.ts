import { retry } from "@payflow/service-kit/concurrency/retry.ts";
import { type Database, isRetriableTransaction } from "@payflow/service-kit/store/database.ts";

export type Transaction = Parameters<Parameters<Database["db"]["transaction"]>[0]>[0];

/** Runs what must happen together or not at all; a deadlock's victim is run again from its beginning. */
export type Transact = <T>(run: (transaction: Transaction) => Promise<T>) => Promise<T>;

/** Transactions on this database. */
export function transactions({ db }: Database): Transact {
  return (run) =>
    retry(() => db.transaction(run), isRetriableTransaction, { firstMs: 5, maxMs: 100, attempts: 6 });
}
