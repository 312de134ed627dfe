import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { Mode } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { createInternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { settled } from "@payflow/service-kit/store/redis.ts";
import { connectStreams, type StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import { merchantKey, partitionOf, type StreamKeys, streamKeys } from "@payflow/service-kit/streams/keys.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import { parquetReadObjects } from "hyparquet";
import { openCatalog } from "../../src/exporters/catalog/catalog.ts";
import type { ExporterResponse } from "../../src/exporters/catalog/exporters.contract.ts";
import { putExporter } from "../../src/exporters/catalog/put-exporter.ts";
import { readExporter } from "../../src/exporters/catalog/read-exporters.ts";
import { startExporters } from "../../src/exporters/running/run-exporters.ts";
import { openLetters } from "../../src/streams/dead-letters/read-letters.ts";
import { redriveLetters } from "../../src/streams/dead-letters/redrive-letters.ts";
import { openRegistry } from "../../src/streams/registry.ts";
import { startStreams } from "../../src/streams/start-streams.ts";

export const internalSecret = "the internal secret of the exporters' tests";

/** What a process needs to export from a space; a child gets it as JSON. */
export interface Space {
  readonly urls: string;
  readonly prefix: string;
  readonly partitions: number;
  readonly folder: string;
  readonly notifierUrl: string;
  readonly parkAfterMs: number;
}

export interface ExportedRow {
  readonly stream_id: string;
  readonly tenant_id: string;
  readonly mode: string;
  readonly sequence: number;
  readonly received_at: string;
  readonly event_id: string;
  readonly merchant_id_hash: string;
}

/** Streams, settings and a folder of one test's own. */
export class ExportSpace {
  readonly keys: StreamKeys;
  readonly redis: StreamsRedis;
  readonly logger = createLogger("exporters-test", process.env.LOG_LEVEL ?? "silent");
  readonly metrics = new Metrics("exporters-test");
  readonly registry;
  readonly routes;
  readonly #sequences = new Map<string, number>();
  readonly #endings: (() => unknown)[] = [];

  constructor(readonly space: Space) {
    this.keys = streamKeys(space.prefix);
    this.redis = this.#connect("exporters-test");
    const { keys, redis } = this;
    this.registry = openRegistry(redis, keys, space.partitions);
    this.routes = this.#catalog().routes;
  }

  /** An empty one on this server. */
  static async open(urls: string, changes: Partial<Space> = {}): Promise<ExportSpace> {
    const prefix = `test-${crypto.randomUUID().slice(0, 8)}`;
    const folder = path.join(temporaryFolder(), prefix);
    mkdirSync(folder, { recursive: true });
    const space = new ExportSpace({
      ...{ urls, prefix, folder, partitions: 4, notifierUrl: "http://127.0.0.1:9", parkAfterMs: 300 },
      ...changes,
    });
    await settled(space.redis);
    return space;
  }

  #catalog(file?: string) {
    const { keys, redis, registry, logger } = this;
    const { partitions, folder } = this.space;
    const settings = {
      INTERNAL_SERVICE_SECRET: internalSecret,
      INGEST_EXPORT_FOLDER: folder,
      ...(file === undefined ? {} : { INGEST_EXPORTERS_FILE: file }),
    };
    return openCatalog({ keys, redis, registry, logger, partitions, settings });
  }

  #connect(name: string): StreamsRedis {
    const redis = connectStreams(this.space.urls, name, this.logger);
    this.defer(() => redis.disconnect());
    return redis;
  }

  defer(end: () => unknown): void {
    this.#endings.push(end);
  }

  /** Sets up an exporter, as the admin's route does. */
  async put(name: string, settings: unknown): Promise<void> {
    await putExporter(this.routes, name, settings);
  }

  /** A warehouse in a folder of the space's, with files that are closed soon. */
  async putWarehouse(name: string, settings: object = {}, tenants: object = {}): Promise<void> {
    await this.put(name, {
      kind: "warehouse",
      settings: { format: "ndjson", target: { folder: name }, max_age_seconds: 1, ...settings },
      tenants,
    });
  }

  read(name: string): Promise<ExporterResponse> {
    return readExporter(this.routes, name);
  }

  /** What an exporter process runs; ends with the space unless it is stopped before. */
  run(file?: string): { stop(): Promise<void> } {
    const { keys, registry, logger, metrics } = this;
    const { partitions, folder, notifierUrl, parkAfterMs } = this.space;
    const running = startExporters({
      ...{ keys, registry, logger, metrics, partitions, catalog: this.#catalog(file) },
      settings: { INGEST_EXPORT_FOLDER: folder, INGEST_PARK_AFTER_MS: parkAfterMs },
      connect: (name) => connectStreams(this.space.urls, name, this.logger),
      notifier: createInternalClient({ service: "notifier", baseUrl: notifierUrl, secret: internalSecret }),
    });
    this.defer(() => running.stop());
    return running;
  }

  /** Looks after the streams, as every ingest process does: trims, and ends groups that have drained. */
  look() {
    const { keys, redis, logger } = this;
    const looking = startStreams({
      ...{ keys, redis, logger, partitions: this.space.partitions, isShared: false, retentionSeconds: 0 },
      ...{ secret: internalSecret, metrics: new Metrics("exporters-test") },
    });
    this.defer(() => looking.stop());
    return looking;
  }

  /** Appends events of a tenant, as the writer does; `count` of each merchant, in turn. */
  async append(
    tenantId: string,
    count: number,
    merchants: readonly string[] = ["m1", "m2", "m3", "m4", "m5"],
    mode: Mode = "live",
  ): Promise<void> {
    const pipeline: Promise<unknown>[] = [];
    for (let round = 0; round < count; round += 1) {
      for (const merchant of merchants) {
        const key = merchantKey(tenantId, mode, merchant);
        const sequence = (this.#sequences.get(key) ?? 0) + 1;
        this.#sequences.set(key, sequence);
        const event = JSON.stringify(eventOf(merchant, sequence));
        pipeline.push(this.appendText(tenantId, merchant, sequence, event, mode));
      }
      if (pipeline.length >= 1_000) await Promise.all(pipeline.splice(0));
    }
    await Promise.all(pipeline);
  }

  appendText(
    tenantId: string,
    merchant: string,
    sequence: number,
    event: string,
    mode: Mode = "live",
    id = `${merchant}-${sequence}`,
  ): Promise<string | null> {
    const partition = partitionOf(merchantKey(tenantId, mode, merchant), this.space.partitions);
    const fields = { tenant: tenantId, mode, merchant, sequence, id, event };
    return this.redis.xadd(this.keys.events(partition), "*", ...Object.entries(fields).flat());
  }

  /** Gives the dead letters of all tenants back to their groups. */
  redrive(): Promise<number> {
    const letters = openLetters(this.redis, this.keys, this.space.partitions);
    return redriveLetters({ letters, registry: this.registry }, null, {});
  }

  /** How many events were appended. */
  get appended(): number {
    return [...this.#sequences.values()].reduce((sum, one) => sum + one, 0);
  }

  /** The names of the files below a folder of the space's, whole ones alone. */
  files(...below: string[]): string[] {
    return filesBelow(path.join(this.space.folder, ...below));
  }

  /** The rows of all NDJSON files below a folder, file by file. */
  rows(...below: string[]): ExportedRow[] {
    return this.files(...below).flatMap((file) => readNdjson(file));
  }

  /** The same in the order in which the files were written. */
  rowsAsWritten(...below: string[]): ExportedRow[] {
    const writtenAt = (file: string) => statSync(file, { bigint: true }).mtimeNs;
    return this.files(...below)
      .toSorted((left, right) => (writtenAt(left) < writtenAt(right) ? -1 : 1))
      .flatMap((file) => readNdjson(file));
  }

  /** Makes a target unreachable: where its folder should be stands something else. */
  takeAway(...below: string[]): void {
    const folder = path.join(this.space.folder, ...below);
    if (existsSync(folder)) renameSync(folder, `${folder}.away`);
    writeFileSync(folder, "not a folder");
  }

  bringBack(...below: string[]): void {
    const folder = path.join(this.space.folder, ...below);
    renameSync(folder, `${folder}.was`);
    if (existsSync(`${folder}.away`)) renameSync(`${folder}.away`, folder);
  }

  /** The rows of all Parquet files below a folder. */
  async parquetRows(...below: string[]): Promise<ExportedRow[]> {
    const rows = await Promise.all(this.files(...below).map(readParquet));
    return rows.flat();
  }

  async end(): Promise<void> {
    for (const end of this.#endings.reverse()) await end();
  }
}

export function newTenant(): string {
  return newId("ten");
}

function eventOf(merchant: string, sequence: number) {
  return {
    event_type: "payment_failed",
    event_timestamp: "2026-11-21T12:00:00.123456Z",
    event_id: `${merchant}-${sequence}`,
    merchant_id_hash: merchant,
    payment_intent_id_hash: `intent-${sequence}`,
    processor: "stripe",
    failure_category: "processor_timeout",
    retry_count: sequence % 5,
    geo_bucket: "US",
    channel: "web – ünïcode",
  };
}

function filesBelow(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
  return names.filter((name) => !name.includes("/.partial/")).toSorted();
}

/** Reads a file with zstd's own command, which knows nothing of ours, where the machine has it. */
export function readNdjson(file: string): ExportedRow[] {
  return decompressed(file)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

function decompressed(file: string): string {
  if (Bun.which("zstd") === null) return Buffer.from(Bun.zstdDecompressSync(readFileSync(file))).toString();
  const { stdout, exitCode } = Bun.spawnSync(["zstd", "-dcq", file]);
  if (exitCode !== 0) throw new Error(`${file} is no zstd`);
  return stdout.toString();
}

/** Reads a Parquet file by a reader that is not the writer's own. */
export async function readParquet(file: string): Promise<ExportedRow[]> {
  const bytes = readFileSync(file);
  const rows = await parquetReadObjects({
    file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
    compressors: { ZSTD: (input) => Bun.zstdDecompressSync(input) },
  });
  // 64-bit numbers come as bigint; the columns are those of the interface.
  return rows.map((row) => ({ ...row, sequence: Number(row.sequence) })) as ExportedRow[];
}

/** Whether rows are each event once, and each merchant's in order within the order of the files. */
export function judge(rows: readonly ExportedRow[]) {
  const ids = new Set(rows.map((row) => row.stream_id));
  const events = new Set(
    rows.map((row) => `${row.tenant_id}/${row.mode}/${row.merchant_id_hash}/${row.sequence}`),
  );
  const inOrder = rows.toSorted((left, right) => compareStreamIds(left.stream_id, right.stream_id));
  const last = new Map<string, number>();
  let gaps = 0;
  for (const row of inOrder) {
    const key = `${row.tenant_id}/${row.mode}/${row.merchant_id_hash}`;
    if (row.sequence !== (last.get(key) ?? 0) + 1) gaps += 1;
    last.set(key, row.sequence);
  }
  return { rows: rows.length, twice: rows.length - ids.size, events: events.size, gaps };
}

function compareStreamIds(left: string, right: string): number {
  const parts = (id: string) => id.split(/[:-]/).map(Number);
  const [a, b] = [parts(left), parts(right)];
  return (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0) || (a[2] ?? 0) - (b[2] ?? 0);
}
