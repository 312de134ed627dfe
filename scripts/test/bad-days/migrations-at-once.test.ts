import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import path from "node:path";
import {
  createDatabase,
  type DatabaseDefinition,
  platformDatabases,
  repositoryRoot,
} from "@payflow/one-machine/stores/databases.ts";
import { testPostgres } from "@payflow/testkit/postgres.ts";
import postgres from "postgres";

setDefaultTimeout(60_000);

const replicas = 8;
const migrating = path.join(repositoryRoot, "scripts/test/bad-days/migrate-process.ts");

/** Everything that migrations make, as sorted lines: two databases with equal lines have one schema. */
async function schemaOf(url: string): Promise<string[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql`
      select format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) as line
        from information_schema.columns where table_schema = 'public'
      union all select format('index %s', pg_get_indexdef(indexrelid))
        from pg_index where indrelid::regclass::text !~ '^(pg_|migrations|information)'
      union all select format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
        from pg_constraint where connamespace = 'public'::regnamespace
      union all select format('trigger %s', pg_get_triggerdef(oid)) from pg_trigger where not tgisinternal
      union all select format('function %s %s', pg_get_functiondef(oid), proacl)
        from pg_proc where pronamespace = 'public'::regnamespace
      union all select format('table %s %s %s', oid::regclass, relkind, relacl)
        from pg_class where relnamespace = 'public'::regnamespace
      union all select format('migration %s %s', hash, created_at) from migrations.__drizzle_migrations`;
    // Partitions are named and bounded by days, and the other database may be from before midnight.
    const day = /\d{4}[-_]?\d{2}[-_]?\d{2}( 00:00:00\+00)?/g;
    return rows.map((row) => String(row.line).replaceAll(day, "DAY")).sort();
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** An empty database like the migrated one, with the same roles. */
async function emptyLike(
  adminUrl: string,
  name: string,
): Promise<{ database: string; remove(): Promise<void> }> {
  const database = `payflow_test_${name}_${randomBytes(6).toString("hex")}`;
  const admin = postgres(adminUrl, { max: 1, onnotice: () => {} });
  await createDatabase(admin, database, name);
  return {
    database,
    async remove() {
      await admin.unsafe(`drop database ${database} with (force)`);
      await admin.end({ timeout: 5 });
    },
  };
}

function within(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}

async function migrateInProcess(ownerUrl: string, { migrations }: DatabaseDefinition) {
  const child = Bun.spawn([process.execPath, "--no-env-file", migrating, ownerUrl, migrations], {
    cwd: repositoryRoot,
    env: { PATH: process.env.PATH },
    stdout: "ignore",
    stderr: "pipe",
    timeout: 45_000,
    killSignal: "SIGKILL",
  });
  const stderr = await child.stderr.text();
  return { exitCode: await child.exited, stderr };
}

describe.each([...platformDatabases])("$name", (definition) => {
  test("eight replicas that migrate an empty database at once make one schema, once", async () => {
    const migrated = await testPostgres(definition.name);
    const empty = await emptyLike(migrated.adminUrl, definition.name);
    try {
      const ownerUrl = within(migrated.ownerUrl, empty.database);
      const ended = await Promise.all(
        Array.from({ length: replicas }, () => migrateInProcess(ownerUrl, definition)),
      );
      expect(ended).toEqual(Array.from({ length: replicas }, () => ({ exitCode: 0, stderr: "" })));
      const made = await schemaOf(within(migrated.adminUrl, empty.database));
      expect(made.filter((line) => line.startsWith("migration ")).length).toBeGreaterThan(0);
      expect(made).toEqual(await schemaOf(migrated.adminUrl));
    } finally {
      await empty.remove();
      await migrated.drop();
    }
  });
});
