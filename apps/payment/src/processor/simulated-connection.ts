import { connectDatabase, type Sql } from "@payflow/service-kit/store/database.ts";
import { StoreClock } from "@payflow/service-kit/store/store-clock.ts";

/** How long a statement may run; the server ends it then, and nothing of it stays. */
const statementTimeoutMs = 1_000;

/** How far this process may be wrong about the journal's time: half of a busy process's round trip. */
export const clockErrorMs = 250;

/** How long after its `notAfter` a call that was sent by then may have its effect at the latest. */
export const simulatedLingerMs = clockErrorMs + statementTimeoutMs;

/** The simulated processor's journal: its own database, and that database's time. */
export interface SimulatedConnection {
  readonly sql: Sql;
  readonly clock: Pick<StoreClock, "now">;
  close(): Promise<void>;
}

/** Connects to the journal; with its PostgreSQL away, calls fail until it is back. */
export async function connectSimulated(url: string, maxConnections: number): Promise<SimulatedConnection> {
  const database = connectDatabase(url, { name: "processor", max: maxConnections, statementTimeoutMs });
  const clock = new StoreClock(database.sql);
  const comparing = await clock.start();
  return {
    sql: database.sql,
    clock,
    async close() {
      await comparing.stop();
      await database.close();
    },
  };
}
