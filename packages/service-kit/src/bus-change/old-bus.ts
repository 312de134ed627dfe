import { type ConsumerGroup, consumerGroups } from "@payflow/contracts/events.ts";
import { Type } from "@sinclair/typebox";
import type { EventBus } from "../bus/bus.ts";
import { openEventBus } from "../bus/open-bus.ts";
import { busSettings, loadConfig } from "../process/config.ts";
import { createLogger } from "../telemetry/logging.ts";
import { Metrics } from "../telemetry/metrics.ts";

/** The bus that an app with this environment uses, to look at what is left on it. */
export function openBusOf(environment: Readonly<Record<string, string>>): Promise<EventBus> {
  const service = "bus-change";
  const config = loadConfig(Type.Object(busSettings), environment);
  const logger = createLogger(service, "silent");
  return openEventBus(config, { service, logger, metrics: new Metrics(service) });
}

/** The groups that read where these apps are installed. */
export function groupsOf(apps: readonly string[]): ConsumerGroup[] {
  // Object.keys forgets that the table's own names are all there is.
  const groups = Object.keys(consumerGroups) as ConsumerGroup[];
  return groups.filter((group) => apps.includes(consumerGroups[group].app));
}
