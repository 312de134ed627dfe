import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { Supervisor } from "@payflow/one-machine/processes/supervisor.ts";
import {
  createDatabase,
  createRoles,
  type DatabaseDefinition,
  ownerRole,
  platformDatabases,
  serviceRole,
} from "@payflow/one-machine/stores/databases.ts";
import { initializePostgres, postgresProcess, postgresUrl } from "@payflow/one-machine/stores/postgres.ts";
import { migrate } from "@payflow/service-kit/store/database.ts";
import postgres, { type Sql } from "postgres";
import { beforeRemoval, temporaryFolder } from "./temporary-folder.ts";

export interface TestDatabase {
  /** As the role that migrates: it owns every table. */
  readonly ownerUrl: string;
  /** As the role the service runs with. */
  readonly serviceUrl: string;
  /** As the server's superuser, in this database. */
  readonly adminUrl: string;
  drop(): Promise<void>;
}

const rolePassword = "payflow_test";

/**
 * A database of the caller's own, with all of an app's migrations applied. `processor` is the simulated
 * processor's; a definition of its own serves tests that bring their migrations. The server is the one that
 * PAYFLOW_TEST_POSTGRES_URL names, else one that lives as long as this process.
 */
export async function testPostgres(database: string | DatabaseDefinition): Promise<TestDatabase> {
  const definition = typeof database === "string" ? platformDatabase(database) : database;
  const server = new URL(await serverUrl());
  const admin = postgres(server.href, { max: 1, onnotice: () => {} });
  try {
    const template = await ensureTemplate(admin, server, definition);
    const name = `payflow_test_${definition.name}_${randomBytes(6).toString("hex")}`;
    await createDatabase(admin, name, definition.name, template);
    return {
      ownerUrl: urlFor(server, name, ownerRole(definition.name)),
      serviceUrl: urlFor(server, name, serviceRole(definition.name)),
      adminUrl: urlFor(server, name),
      drop: () => dropDatabase(server, name),
    };
  } finally {
    await admin.end({ timeout: 5 });
  }
}

function platformDatabase(name: string): DatabaseDefinition {
  const found = platformDatabases.find((database) => database.name === name);
  if (found === undefined) throw new Error(`There is no database of the name ${name}.`);
  return found;
}

let started: Promise<string> | undefined;

/**
 * Test files of one process do not share modules, but they share the environment: the first one's server
 * serves all.
 */
async function serverUrl(): Promise<string> {
  const given = process.env.PAYFLOW_TEST_POSTGRES_URL;
  if (given !== undefined && given !== "") return given;
  started ??= startTestPostgres().then((url) => {
    process.env.PAYFLOW_TEST_POSTGRES_URL = url;
    return url;
  });
  return started;
}

/**
 * Starts a server that ends with this process; answers the superuser's URL. Tests need no protection from a
 * power cut.
 */
export async function startTestPostgres(): Promise<string> {
  const folder = temporaryFolder();
  const dataDirectory = path.join(folder, "postgres");
  const password = randomBytes(16).toString("hex");
  initializePostgres(dataDirectory, password, false);
  const port = await reservePort();
  const settings = { max_connections: "400", shared_buffers: "64MB" };
  const logFile = path.join(folder, "postgres.log");
  const supervisor = new Supervisor();
  beforeRemoval(() => supervisor.killAll());
  await supervisor.start(
    postgresProcess({ dataDirectory, port, password, logFile, settings, isDurable: false }),
  );
  return postgresUrl({ port }, "postgres", password, "postgres");
}

/**
 * Migrating takes a second, copying a migrated database a few hundredths: each set of migrations is run
 * once a server.
 */
async function ensureTemplate(admin: Sql, server: URL, definition: DatabaseDefinition): Promise<string> {
  const template = `payflow_template_${definition.name}_${fingerprint(definition.migrations)}`;
  const draft = `${template}_draft`;
  // Roles belong to the whole server, so one lock serves all apps. It goes with the connection.
  await admin`select pg_advisory_lock(hashtext('payflow-test-templates'))`;
  try {
    const [existing] = await admin`select 1 from pg_database where datname = ${template}`;
    if (existing !== undefined) return template;
    const roles = [ownerRole(definition.name), serviceRole(definition.name)];
    await createRoles(admin, roles, Object.fromEntries(roles.map((role) => [role, rolePassword])));
    await admin.unsafe(`drop database if exists ${draft} with (force)`);
    await createDatabase(admin, draft, definition.name);
    await migrate(urlFor(server, draft, ownerRole(definition.name)), definition.migrations);
    await admin.unsafe(`alter database ${draft} rename to ${template}`);
    return template;
  } finally {
    await admin`select pg_advisory_unlock(hashtext('payflow-test-templates'))`;
  }
}

function fingerprint(folder: string): string {
  const hash = createHash("sha256");
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of files.sort()) hash.update(path.relative(folder, file)).update(readFileSync(file));
  return hash.digest("hex").slice(0, 12);
}

function urlFor(server: URL, database: string, role?: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  if (role !== undefined) {
    url.username = role;
    url.password = rolePassword;
  }
  return url.href;
}

async function dropDatabase(server: URL, name: string): Promise<void> {
  const admin = postgres(server.href, { max: 1, onnotice: () => {} });
  try {
    await admin.unsafe(`drop database if exists ${name} with (force)`);
  } finally {
    await admin.end({ timeout: 5 });
  }
}
