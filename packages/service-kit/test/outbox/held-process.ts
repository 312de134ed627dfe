import { holdToRecordedBus } from "../../src/bus-change/recorded-bus.ts";
import { Scope } from "../../src/process/scope.ts";
import { connectDatabase } from "../../src/store/database.ts";
import { createLogger } from "../../src/telemetry/logging.ts";

/** A process that starts for Kafka with the database that its first argument names. */
if (import.meta.main) {
  const logger = createLogger("held", "silent");
  const { sql } = connectDatabase(process.argv[2] ?? "", { name: "held", max: 1 });
  await holdToRecordedBus({ sql, bus: "kafka", logger, scope: new Scope(logger) });
  process.stdout.write("started\n");
}
