import path from "node:path";
import { retry } from "@payflow/service-kit/concurrency/retry.ts";
import { ConfigError, loadConfig, secretValues, setting } from "@payflow/service-kit/process/config.ts";
import { isOutage, migrate } from "@payflow/service-kit/store/database.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Type } from "@sinclair/typebox";

/** The databases of each app, by the variable that holds the owner's URL. */
const databasesOf: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ...ownDatabase("ledger"),
  ...ownDatabase("notifier"),
  ...ownDatabase("tenant"),
  ...ownDatabase("fraud"),
  payment: { DATABASE_OWNER_URL: "payment", PROCESSOR_DATABASE_OWNER_URL: "processor" },
};

/** PostgreSQL may be starting beside us: two minutes of it, then the kubelet's own back-off goes on. */
const patience = { firstMs: 250, maxMs: 2_000, attempts: 70 };

/**
 * Brings an app's databases up to date as their owners, and ends the process: with 0 once they are, with 78
 * when a setting is wrong, and with 1 otherwise. Replicas may start it at once.
 */
export async function runMigrations(
  app: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<never> {
  const databases = databasesOf[app];
  if (databases === undefined) return fail(78, `"${app}" has no database of its own.`);
  const settings = Type.Object(
    Object.fromEntries(
      Object.entries(databases).map(([variable, name]) => [
        variable,
        setting.postgresUrl(`The database of ${name}, as its owner.`),
      ]),
    ),
  );
  try {
    const urls = loadConfig(settings, env);
    const logger = createLogger("migrate", "info", { secrets: secretValues(settings, urls) });
    for (const [variable, name] of Object.entries(databases)) {
      const folder = path.join(path.dirname(Bun.main), "migrations", name);
      await retry(
        () => migrate(urls[variable] ?? "", folder),
        (error) => {
          logger.warn({ err: error, database: name }, "PostgreSQL is not there yet");
          return isOutage(error);
        },
        patience,
      );
      logger.info({ database: name }, "the database is up to date");
    }
    process.exit(0);
  } catch (error) {
    return fail(error instanceof ConfigError ? 78 : 1, error instanceof Error ? error.message : `${error}`);
  }
}

function ownDatabase(app: string) {
  return { [app]: { DATABASE_OWNER_URL: app } };
}

function fail(exitCode: number, message: string): never {
  process.stderr.write(`migrate: ${message}\n`);
  process.exit(exitCode);
}
