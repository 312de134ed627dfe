import { startRelay } from "../../src/outbox/relay.ts";
import { connectDatabase } from "../../src/store/database.ts";
import { createLogger } from "../../src/telemetry/logging.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { openBus } from "../bus/redis-adapter.ts";

/** What a relay in a process of its own is to do; handed over as JSON in its first argument. */
export interface RelayOrder {
  readonly databaseUrl: string;
  readonly bus: string;
  /** The process ends itself, as by kill -9, once the bus has acknowledged this many sends. */
  readonly crashAfterSends?: number;
}

if (import.meta.main) {
  const order: RelayOrder = JSON.parse(process.argv[2] ?? "");
  const service = `relay-${process.pid}`;
  const logger = createLogger(service, process.env.LOG_LEVEL ?? "fatal");
  const database = connectDatabase(order.databaseUrl, { name: service, max: 4 });
  const bus = await openBus(order.bus, service);
  let sends = 0;
  const relay = startRelay({
    service,
    logger,
    busName: "redis",
    sql: database.sql,
    metrics: new Metrics(service),
    bus: {
      send: async (messages) => {
        await bus.send(messages);
        sends += 1;
        if (sends === order.crashAfterSends) process.kill(process.pid, "SIGKILL");
      },
    },
  });
  process.on("SIGTERM", async () => {
    await relay.stop();
    await bus.close();
    await database.close();
    process.exit(0);
  });
  process.stdout.write("ready\n");
}
