import path from "node:path";
import { startRounds } from "@payflow/service-kit/concurrency/rounds.ts";
import type { InternalClient } from "@payflow/service-kit/http/internal-client.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { HeldPartition, PartitionConsumer } from "@payflow/service-kit/streams/consumer.ts";
import { startGroup } from "@payflow/service-kit/streams/group.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { GroupRegistry } from "../../streams/registry.ts";
import type { ExporterCatalog } from "../catalog/catalog.ts";
import { type Exporter, exporterOf, groupOf, type Place } from "../exporter.ts";
import { maxRows } from "../exporter-settings.ts";
import { createFolderTarget } from "../warehouse/targets/folder-target.ts";
import { createS3Target } from "../warehouse/targets/s3-target.ts";
import { warehouseConsumer } from "../warehouse/warehouse-consumer.ts";
import { webhookConsumer } from "../webhook/webhook-consumer.ts";
import { type ExporterMetrics, exporterMetrics } from "./exporter-metrics.ts";
import { troubleNotes } from "./note-trouble.ts";

export interface RunExporters {
  readonly catalog: ExporterCatalog;
  readonly registry: GroupRegistry;
  readonly keys: StreamKeys;
  readonly partitions: number;
  /** A connection of an exporter's own. */
  readonly connect: (name: string) => StreamsRedis;
  readonly notifier: InternalClient;
  readonly settings: { readonly INGEST_EXPORT_FOLDER?: string; readonly INGEST_PARK_AFTER_MS: number };
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface Running {
  readonly settings: Exporter["settings"];
  stop(): Promise<void>;
}

/** How often changes are looked for. */
const everyMs = 1_000;
const maxBatch = 1_000;
/** More than the largest file has rows, whatever the settings: one that was begun can always be ended. */
const maxPending = 2 * maxRows + 2 * maxBatch;

/**
 * Runs every exporter that is set up, each as a consumer group of its own, shared with the other exporter
 * processes; takes up changes within seconds.
 */
export function startExporters(deps: RunExporters): { stop(): Promise<void> } {
  const running = new Map<string, Running>();
  const counted = exporterMetrics(deps.metrics);
  const rounds = startRounds({
    logger: deps.logger,
    failure: "exporters could not be looked after",
    everyMs,
    round: async () => {
      await deps.catalog.applyFile();
      await settle(deps, counted, running);
      await watchParkings(deps, counted);
      return undefined;
    },
  });
  return {
    async stop() {
      await rounds.stop();
      await Promise.all([...running.values()].map((one) => one.stop()));
    },
  };
}

/** Starts, restarts and stops, so that what runs is what is set up. */
async function settle(
  deps: RunExporters,
  counted: ExporterMetrics,
  running: Map<string, Running>,
): Promise<void> {
  const wanted = new Map((await deps.catalog.list()).map((exporter) => [exporter.name, exporter]));
  const registered = await deps.registry.list();
  const states = new Map(registered.map(({ group, state }) => [group, state]));
  for (const [name, one] of running) {
    const exporter = wanted.get(name);
    if (exporter !== undefined && Bun.deepEquals(exporter.settings, one.settings)) continue;
    running.delete(name);
    await one.stop();
  }
  for (const one of registered) {
    const name = exporterOf(one);
    if (name !== null && !wanted.has(name)) await deps.catalog.forgetOrphan(name);
  }
  for (const [name, exporter] of wanted) {
    const isDrained = exporter.state === "draining" && !states.has(groupOf(name));
    if (isDrained) {
      await running.get(name)?.stop();
      running.delete(name);
    }
    // The rest of a change that broke off, too.
    const expected = exporter.state === "draining" ? "draining" : "active";
    if (states.get(groupOf(name)) !== expected) await deps.catalog.settle(name);
    if (!isDrained && !running.has(name)) running.set(name, await start(deps, counted, exporter));
  }
}

async function start(deps: RunExporters, counted: ExporterMetrics, exporter: Exporter): Promise<Running> {
  const { name, settings } = exporter;
  const redis = deps.connect(`exporter-${name}`);
  const logger = deps.logger.child({ exporter: name });
  const consumer = await consumerOf(deps, counted, exporter, logger);
  const group = await startGroup({
    redis,
    keys: deps.keys,
    partitions: deps.partitions,
    group: groupOf(name),
    kind: settings.kind,
    maxBatch,
    maxPending,
    logger,
    metrics: deps.metrics,
    open: consumer.open,
  });
  logger.info({ kind: settings.kind }, "an exporter runs");
  return {
    settings,
    async stop() {
      await group.stop();
      await consumer.close?.();
      redis.disconnect();
      logger.info("an exporter has stopped");
    },
  };
}

interface Consumer {
  readonly open: (partition: HeldPartition) => PartitionConsumer;
  readonly close?: () => Promise<void>;
}

async function consumerOf(
  deps: RunExporters,
  counted: ExporterMetrics,
  exporter: Exporter,
  logger: Logger,
): Promise<Consumer> {
  const { name, settings } = exporter;
  const note = troubleNotes({ name, catalog: deps.catalog, logger });
  const onTrouble = (error: unknown, tenantId?: string) => {
    if (error !== null) counted.troubles.inc({ exporter: name });
    note(error, tenantId);
  };
  if (settings.kind === "webhook") {
    return { open: webhookConsumer({ notifier: deps.notifier, onTrouble }) };
  }
  const onRows = (rows: number) => counted.rows.inc({ exporter: name }, rows);
  if (settings.kind === "kafka") {
    // Loaded only here: the client takes 50 MB.
    const { kafkaConsumer } = await import("../kafka/kafka-consumer.ts");
    const { connectKafkaTarget } = await import("../kafka/kafka-target.ts");
    const target = connectKafkaTarget(settings.settings, name, logger);
    const open = kafkaConsumer({ settings, target, onTrouble, onStored: onRows });
    return { open, close: () => target.close() };
  }
  const open = warehouseConsumer({
    name,
    settings,
    keys: deps.keys,
    targetOf: (place) => targetOf(deps, place),
    parkAfterMs: deps.settings.INGEST_PARK_AFTER_MS,
    onTrouble,
    onStored: (files, rows, bytes) => {
      counted.files.inc({ exporter: name }, files);
      onRows(rows);
      counted.bytes.inc({ exporter: name }, bytes);
    },
  });
  return { open };
}

function targetOf({ settings }: RunExporters, { target }: Place) {
  const folder = settings.INGEST_EXPORT_FOLDER;
  if (target.s3 !== undefined) return createS3Target(target.s3);
  if (folder !== undefined) return createFolderTarget(path.join(folder, target.folder ?? ""));
  const refuse = () => Promise.reject(new Error("this process has no folder for exports"));
  return { put: refuse };
}

async function watchParkings({ catalog }: RunExporters, counted: ExporterMetrics): Promise<void> {
  const parked = await catalog.watchParkings();
  counted.parkedEvents.reset();
  counted.parkedBytes.reset();
  for (const [exporter, sizes] of parked) {
    counted.parkedEvents.set(
      { exporter },
      sizes.reduce((sum, one) => sum + one.events, 0),
    );
    counted.parkedBytes.set(
      { exporter },
      sizes.reduce((sum, one) => sum + one.bytes, 0),
    );
  }
}
