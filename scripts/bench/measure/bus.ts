import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { appEnvironment } from "@payflow/one-machine/installation/environment.ts";
import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import type { BusMessage, EventBus } from "@payflow/service-kit/bus/bus.ts";
import { type BusConfig, openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import { busSettings, loadConfig } from "@payflow/service-kit/process/config.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { Type } from "@sinclair/typebox";

/** Where the bus of an installation is, as its apps are told, for a process that belongs to none of them. */
export function busConfig(installation: RunningInstallation, apps?: string): BusConfig {
  const nobody = { name: "bench", place: 0, main: "" };
  const environment = appEnvironment(installation.installation.wiring, nobody, 1);
  const installed = apps ?? environment.INSTALLED_APPS;
  const { EVENT_BUS, ...settings } = loadConfig(Type.Object(busSettings), {
    ...environment,
    ...(installed === undefined ? {} : { INSTALLED_APPS: installed }),
  });
  return { ...settings, EVENT_BUS };
}

/** Joins the bus as a service of the benchmark's own. */
export function openBus(config: BusConfig, service: string): Promise<EventBus> {
  return openEventBus(config, {
    service,
    logger: createLogger(service, "warn"),
    metrics: new Metrics(service),
  });
}

/** A payment of a tenant's that was captured just now. */
export function settledEvent(tenantId: string, amountMinor: number): EventEnvelope<"payment.settled"> {
  const paymentId = newId("pay");
  const now = new Date().toISOString();
  return {
    event_id: newId("evt"),
    type: "payment.settled",
    version: 1,
    tenant_id: tenantId,
    mode: "live",
    key: paymentId,
    sequence: 2,
    occurred_at: now,
    request_id: null,
    data: {
      payment_id: paymentId,
      amount: amountMinor,
      currency: "INR",
      status: "succeeded",
      amount_captured: amountMinor,
      error: null,
      customer_id: null,
      card_fingerprint: null,
      scoring: { decision: "allow", source: "score" },
      settled_at: now,
    },
  };
}

/** The event as the outbox's relay sends it. */
export function messageOf(event: EventEnvelope): BusMessage {
  return { topic: event.type, key: event.key, envelope: JSON.stringify(event) };
}
