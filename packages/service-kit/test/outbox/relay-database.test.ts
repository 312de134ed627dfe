import { expect, test } from "bun:test";
import postgres from "postgres";
import { connectRelayDatabase } from "../../src/outbox/relay-database.ts";
import { connectDatabase, type Sql } from "../../src/store/database.ts";
import { OutboxFixture } from "./outbox-fixture.ts";

/** The plan that this connection keeps for the oldest rows of a shard. */
async function planOf(sql: Sql): Promise<string> {
  const rows = await sql<{ "QUERY PLAN": string }[]>`
    explain select id from outbox where shard = 3::smallint order by id limit 32`;
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

test("a relay that finds the outbox empty plans to read by the index, not the whole of what comes", async () => {
  const fixture = await OutboxFixture.start();
  const admin = postgres(fixture.adminUrl, { max: 1 });
  const [relay, other] = [
    connectRelayDatabase(fixture.databaseUrl, "test"),
    connectDatabase(fixture.databaseUrl, { name: "test" }),
  ];
  try {
    await admin`insert into outbox (topic, key, envelope) values ('t', 'k', '{}')`;
    await admin`vacuum analyze outbox`;
    expect(await planOf(other.sql)).toContain("Seq Scan");
    expect(await planOf(relay.sql)).toContain("Index");
    expect(await planOf(relay.sql)).not.toContain("Seq Scan");
  } finally {
    await Promise.all([relay.close(), other.close(), admin.end()]);
    await fixture.end();
  }
});
