import { DomainError } from "@payflow/contracts/errors.ts";
import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import { migrate as applyMigrations } from "drizzle-orm/postgres-js/migrator";
import postgres, { type Sql, type TransactionSql } from "postgres";
import { retry } from "../concurrency/retry.ts";
import { isRedisOutage } from "./redis.ts";

export type { Sql, TransactionSql };

export interface Database {
  /** The driver itself, for the stores' own SQL with arrays. */
  readonly sql: Sql;
  /** The same connections through Drizzle. */
  readonly db: PostgresJsDatabase;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** Connections at most. */
  readonly max?: number;
  /** Shown by PostgreSQL as the application's name. */
  readonly name: string;
  /** A statement that runs longer is cancelled by the server. */
  readonly statementTimeoutMs?: number;
  /** False for tables of which an index alone tells what is wanted, however small they are while planning. */
  readonly readsWholeTables?: boolean;
}

/** Connects lazily: with PostgreSQL away the process starts, answers 503 and recovers by itself. */
export function connectDatabase(url: string, options: DatabaseOptions): Database {
  const sql = postgres(url, {
    max: options.max ?? 8,
    connect_timeout: 3,
    max_lifetime: 60 * 30,
    idle_timeout: 0,
    onnotice: () => {},
    connection: {
      application_name: options.name,
      statement_timeout: options.statementTimeoutMs ?? 10_000,
      ...(options.readsWholeTables === false ? { enable_seqscan: "off" } : {}),
    },
    backoff: (attempt: number) => Math.min(0.1 * 2 ** attempt, 1),
  });
  return { sql, db: withDrizzle(sql), close: () => sql.end({ timeout: 5 }) };
}

const timestamptz = 1184;

/**
 * Drizzle turns off the driver's own reading and writing of times, for the driver's callers too. Its
 * `timestamp` columns take a `Date` as well as a text, so that times stay `Date`s in the stores' own SQL.
 */
function withDrizzle(sql: Sql): PostgresJsDatabase {
  const { parsers, serializers } = sql.options;
  const parse = parsers[timestamptz];
  const serialize = serializers[timestamptz];
  const db = drizzle(sql);
  if (parse !== undefined) parsers[timestamptz] = parse;
  if (serialize !== undefined) serializers[timestamptz] = serialize;
  return db;
}

/**
 * Applies the migrations of a folder that the database lacks, as the owner's role. Many replicas may start it
 * at once: an advisory lock lets one work while the others wait and then find nothing to do.
 */
export async function migrate(ownerUrl: string, folder: string): Promise<void> {
  const sql = postgres(ownerUrl, {
    max: 1,
    onnotice: () => {},
    connection: { application_name: "payflow-migrate" },
  });
  try {
    await sql`select pg_advisory_lock(hashtext('payflow-migrations'))`;
    await applyMigrations(drizzle(sql), { migrationsFolder: folder, migrationsSchema: "migrations" });
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** The SQLSTATE or the network's code of an error, looked for in its causes too. */
export function errorCode(error: unknown): string | undefined {
  for (let current = error; typeof current === "object" && current !== null; ) {
    if ("code" in current && typeof current.code === "string") return current.code;
    current = "cause" in current ? current.cause : undefined;
  }
  return undefined;
}

/** A serialization failure or a deadlock: the same transaction may succeed when run again. */
export function isRetriableTransaction(error: unknown): boolean {
  const code = errorCode(error);
  return code === "40001" || code === "40P01";
}

const awayCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ENOENT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "CONNECT_TIMEOUT",
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "ConnectionRefused",
  "ConnectionClosed",
  "57014", // query_canceled, by the statement's time-out
  "25006", // read_only_sql_transaction, after a failover
]);

/**
 * Whether PostgreSQL is away, refuses connections, is full or was too slow: nothing the request itself could
 * mend.
 */
export function isOutage(error: unknown): boolean {
  const code = errorCode(error);
  if (code === undefined) return error instanceof DOMException && error.name === "TimeoutError";
  // Classes: 08 connection, 53 insufficient resources (disk full too), 57P admin shutdown, 58 system error.
  return awayCodes.has(code) || /^(08|53|57P|58)/.test(code);
}

/**
 * An error that passes by itself: the same work may be tried again without limit. Redis and our own services
 * count.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof DomainError) return error.reason === "unavailable" || error.reason === "rate_limited";
  return (
    isRetriableTransaction(error) || isOutage(error) || errorCode(error) === "55P03" || isRedisOutage(error)
  );
}

/**
 * Runs a transaction; one that a deadlock or a serialization failure ended is run again from its beginning.
 */
export function transact<T>(sql: Sql, run: (transaction: TransactionSql) => Promise<T>): Promise<T> {
  const attempt = async () => {
    // The driver types an array of promises as resolved; a single value comes back as it was returned.
    return (await sql.begin(run)) as T;
  };
  return retry(attempt, isRetriableTransaction, { firstMs: 5, maxMs: 100, attempts: 6 });
}
