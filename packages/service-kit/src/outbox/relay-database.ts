import { connectDatabase, type Database } from "../store/database.ts";

/** One reads and sends, one renews leases, and one counts and listens. */
const connections = 3;

/**
 * The connections of a service's relay. An outbox is empty most of the time: a plan that is made then reads
 * the whole table, and is kept while the table grows and its dead rows wait for a vacuum. So no plan is one.
 */
export function connectRelayDatabase(url: string, service: string): Database {
  return connectDatabase(url, { name: `${service}-relay`, max: connections, readsWholeTables: false });
}
