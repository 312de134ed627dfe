import type { BusConfig } from "@payflow/service-kit/bus/open-bus.ts";
import { startRelay } from "@payflow/service-kit/outbox/relay.ts";
import { connectDatabase } from "@payflow/service-kit/store/database.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { openBus } from "../measure/bus.ts";
import { serveSideProcess } from "../measure/side-process.ts";

/** Whose outbox is relayed, and whereto. */
export interface RelayOrder {
  readonly databaseUrl: string;
  readonly bus: BusConfig;
}

/** A relay as in every producing app, without the app; `/wake` tells it of new rows, as the app would. */
async function run({ databaseUrl, bus: config }: RelayOrder): Promise<void> {
  const service = "bench-relay";
  const relay = startRelay({
    service,
    sql: connectDatabase(databaseUrl, { name: service, max: 3 }).sql,
    bus: await openBus(config, service),
    busName: config.EVENT_BUS,
    logger: createLogger(service, "warn"),
    metrics: new Metrics(service),
  });
  serveSideProcess(() => {
    relay.wake();
    return Response.json(true);
  });
}

if (import.meta.main) await run(JSON.parse(await Bun.stdin.text()));
