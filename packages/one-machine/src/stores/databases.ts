import { existsSync } from "node:fs";
import path from "node:path";
import { migrate } from "@payflow/service-kit/store/database.ts";
import postgres, { type Sql } from "postgres";
import { postgresUrl } from "./postgres.ts";

/** One database with the role that migrates it and the role that serves from it. */
export interface DatabaseDefinition {
  /** `payment`: database `payflow_payment`, roles `payment_owner` and `payment_service`. */
  readonly name: string;
  /** Holds what drizzle-kit generated. */
  readonly migrations: string;
}

/** The checkout this file belongs to. */
export const repositoryRoot = path.resolve(import.meta.dir, "../../../..");

const appsWithDatabase = ["tenant", "payment", "fraud", "ledger", "notifier"] as const;

/**
 * The databases of the platform's own apps; the simulated processor keeps its journal apart from payment's.
 */
export const platformDatabases: readonly DatabaseDefinition[] = [
  ...appsWithDatabase.map((name) => ({
    name,
    migrations: path.join(repositoryRoot, "apps", name, "migrations"),
  })),
  { name: "processor", migrations: path.join(repositoryRoot, "apps/payment/migrations-processor") },
];

export const databaseName = (name: string) => `payflow_${name}`;
export const ownerRole = (name: string) => `${name}_owner`;
export const serviceRole = (name: string) => `${name}_service`;

export interface PreparedServer {
  readonly port: number;
  /** Of the superuser `postgres`. */
  readonly password: string;
  readonly rolePasswords: Readonly<Record<string, string>>;
}

/** Makes the roles and databases that are missing, then runs each one's migrations. Safe to repeat. */
export async function prepareDatabases(
  server: PreparedServer,
  databases: readonly DatabaseDefinition[],
): Promise<void> {
  const sql = postgres(postgresUrl(server, "postgres", server.password, "postgres"), {
    max: 1,
    onnotice: () => {},
    // A new database is written to the log page by page: to compress that takes ten times as long.
    connection: { wal_compression: "off" },
  });
  try {
    await createRoles(
      sql,
      databases.flatMap(({ name }) => [ownerRole(name), serviceRole(name)]),
      server.rolePasswords,
    );
    for (const { name } of databases) await createDatabase(sql, databaseName(name), name);
  } finally {
    await sql.end({ timeout: 5 });
  }
  await Promise.all(databases.map((database) => migrateDatabase(server, database)));
}

/** Makes the login roles that are missing; a role that exists keeps its password. */
export async function createRoles(
  sql: Sql,
  roles: readonly string[],
  passwords: Readonly<Record<string, string>>,
): Promise<void> {
  const existing = new Set((await sql`select rolname from pg_roles`).map((row) => row.rolname));
  for (const role of roles) {
    if (existing.has(role)) continue;
    const password = passwords[role];
    if (password === undefined) throw new Error(`There is no password for the role ${role}.`);
    // Utility statements take no parameters; both values are our own names and hexadecimal digits.
    await sql.unsafe(`create role ${role} login nosuperuser nocreatedb nocreaterole password '${password}'`);
  }
}

/** Makes one database that belongs to its owner role and that nobody but its two roles may enter. */
export async function createDatabase(
  sql: Sql,
  database: string,
  name: string,
  template = "template0",
): Promise<void> {
  const [existing] = await sql`select 1 from pg_database where datname = ${database}`;
  if (existing !== undefined) return;
  await sql.unsafe(`create database ${database} owner ${ownerRole(name)} template ${template}`);
  await sql.unsafe(`revoke all on database ${database} from public`);
  await sql.unsafe(`grant connect on database ${database} to ${serviceRole(name)}`);
}

async function migrateDatabase(
  server: PreparedServer,
  { name, migrations }: DatabaseDefinition,
): Promise<void> {
  if (!existsSync(path.join(migrations, "meta/_journal.json"))) return;
  const password = server.rolePasswords[ownerRole(name)];
  if (password === undefined) throw new Error(`There is no password for the role ${ownerRole(name)}.`);
  await migrate(postgresUrl(server, ownerRole(name), password, databaseName(name)), migrations);
}
