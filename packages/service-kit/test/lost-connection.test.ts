import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import path from "node:path";
import { testPostgres } from "@payflow/testkit/postgres.ts";
import postgres, { type Sql } from "postgres";
import { connectDatabase, type Database, isOutage } from "../src/store/database.ts";

setDefaultTimeout(60_000);

let database: Database;
let admin: Sql;
let drop: () => Promise<void>;
beforeAll(async () => {
  const made = await testPostgres({
    name: "relay",
    migrations: path.join(import.meta.dir, "outbox/migrations"),
  });
  // One connection alone, so that whoever comes next gets the one that was lost.
  database = connectDatabase(made.serviceUrl, { name: "lost", max: 1 });
  admin = postgres(made.adminUrl, { max: 1, onnotice: () => {} });
  drop = made.drop;
});
afterAll(async () => {
  await Promise.all([database.close(), admin.end()]);
  await drop();
});

const backend = async (sql: Pick<Sql, "unsafe">) =>
  Number((await sql.unsafe("select pg_backend_pid() as pid"))[0]?.pid);
const kill = (pid: number) => admin`select pg_terminate_backend(${pid})`;
/** Tries until the pool's connection is back; a query that nobody answers runs into the test's time-out. */
async function reconnected(): Promise<number> {
  for (;;) {
    const pid = await backend(database.sql).catch((error: unknown) => {
      if (!isOutage(error)) throw error;
    });
    if (pid !== undefined) return pid;
  }
}

test("a connection lost during a transaction's statement ends that transaction, and nothing else", async () => {
  for (let round = 0; round < 3; round += 1) {
    const lost = database.sql
      .begin(async (transaction) => {
        const pid = await backend(transaction);
        const sleep = transaction`select pg_sleep(30)`;
        await Promise.all([sleep, kill(pid)]);
      })
      .catch((error: unknown) => error);
    expect(isOutage(await lost)).toBe(true);
    expect(await reconnected()).toBeGreaterThan(0);
  }
});

test("what a transaction still sends after its connection was lost reaches no other connection", async () => {
  let late: Promise<unknown> | undefined;
  const lost = await database.sql
    .begin(async (transaction) => {
      await kill(await backend(transaction));
      await reconnected();
      late = backend(transaction).catch((error: unknown) => error);
      return late;
    })
    .catch((error: unknown) => error);
  expect(isOutage(lost)).toBe(true);
  // The rest of the transaction runs on after its caller has been told.
  while (late === undefined) await reconnected();
  expect(isOutage(await late)).toBe(true);
});
