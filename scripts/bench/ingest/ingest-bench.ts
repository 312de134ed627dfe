import path from "node:path";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { memoryByProcess } from "@payflow/one-machine/processes/memory.ts";
import { type BenchFigure, type BenchReport, comparedFigure, figure, machine, median } from "../result.ts";
import { registerTenants } from "../tenants.ts";
import { drain } from "./drain.ts";
import { runLoad } from "./load.ts";
import type { LoadReport } from "./load-process.ts";
import { benchmarkXadd } from "./redis-benchmark.ts";
import { eventBytes, type Sender, sendersOf } from "./sample-events.ts";
import { type Exported, readExport, Streams } from "./streams-truth.ts";
import { startThreeCommandServer, type ThreeCommandServer } from "./three-command.ts";

/** The apps that an event passes. */
const needed = ["tenant", "ingest"];
const connections = 64;
const tenantCount = 10;
const merchantCount = 1_000;
const batchSize = 100;
const rounds = 3;
const roundSeconds = 8;
const halfSeconds = 15;
const backlog = 1_000_000;

interface Bench {
  readonly port: number;
  readonly senders: readonly Sender[];
  readonly streams: Streams;
  readonly redisUrl: string;
  readonly naive: ThreeCommandServer | null;
  readonly say: (line: string) => void;
}

/** What one load brought: its report, and whether exactly what was acknowledged is in the streams. */
interface Measured {
  readonly report: LoadReport;
  readonly perSecond: number;
  readonly isTrue: boolean;
}

/**
 * Events through the public API into the streams of an installation of ingest and tenant, one a request and
 * a hundred, beside Redis's own benchmark and the three-command server on the same Redis; then a backlog of
 * a million exported. While requests are measured the process is of role `api`, and while the export is, of
 * role `exporter`.
 */
export async function ingestBench(say: (line: string) => void): Promise<BenchReport> {
  let role = "api";
  const installation = await startInstallation({
    platform: { ...platform, apps: platform.apps.filter(({ name }) => needed.includes(name)) },
    env: (app) => ({ LOG_LEVEL: "warn", ...(app === "ingest" ? { INGEST_ROLE: role } : {}) }),
  });
  const streams = new Streams(installation.durableRedisUrl);
  let naive: ThreeCommandServer | null = null;
  try {
    // A million events and what is kept beside them; the marks of backpressure are shares of this.
    await streams.redis.config("SET", "maxmemory", "4gb");
    const tenants = await registerTenants(installation, tenantCount);
    const apiKeys = tenants.map((tenant) => tenant.apiKey);
    naive = await startThreeCommandServer(installation.durableRedisUrl, say);
    const bench: Bench = {
      port: Number(new URL(installation.url("ingest")).port),
      senders: sendersOf(apiKeys, merchantCount),
      streams,
      redisUrl: installation.durableRedisUrl,
      naive,
      say,
    };
    say("warming up");
    await measure(bench, 1, { seconds: roundSeconds });
    await measure(bench, batchSize, { seconds: 3 });
    const interleaved = await interleave(bench);
    const half = await halfLoad(bench, interleaved.single.perSecond);
    const memory = memoryOf(installation);
    const sent = await measure(bench, batchSize, { requests: backlog / batchSize }, false);
    say("draining the backlog");
    role = "exporter";
    const drained = await drain(installation, sent.report.requests * batchSize);
    const exported = await readExport(path.join(installation.state, "exports"));
    const remembered = await streams.stored();
    const bytesPerId = (await streams.forgetIds()) / remembered;
    return {
      bench: "ingest",
      results: [
        ...interleaved.figures,
        ...latencies("half_load", half.report),
        figure("drain_events_per_second", drained.perSecond, "events/s"),
        figure("bytes_per_id", bytesPerId, "bytes"),
        ...memory,
      ],
      checks: checksOf([...interleaved.all, half, sent], sent, exported, drained.isEmpty),
      versions: await versions(streams),
      machine: machine(),
    };
  } finally {
    await naive?.stop();
    streams.close();
    await installation.stop();
  }
}

/** Runs a load and compares what was acknowledged with what the streams have; then empties them. */
async function measure(
  { port, senders, streams }: Bench,
  batch: number,
  limits: { readonly seconds?: number; readonly requests?: number; readonly perSecond?: number },
  isEmptied = true,
): Promise<Measured> {
  await streams.rest();
  const before = await streams.count();
  const report = await runLoad({ port, senders, batch, connections, ...limits });
  const stored = (await streams.count()) - before;
  if (isEmptied) await streams.empty();
  const isTrue = report.refused === 0 && stored === report.requests * batch;
  return { report, perSecond: stored / report.seconds, isTrue };
}

async function interleave(bench: Bench) {
  const { say, redisUrl, naive } = bench;
  const singles: Measured[] = [];
  const batches: Measured[] = [];
  const naives: number[] = [];
  const xadds: number[] = [];
  const pipelined: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const single = await measure(bench, 1, { seconds: roundSeconds });
    singles.push(single);
    if (naive !== null) naives.push(await measureNaive(bench, naive));
    const bytes = eventBytes;
    const xadd = await benchmarkXadd(redisUrl, { pipelined: 1, requests: 300_000, bytes });
    if (xadd !== null) xadds.push(xadd);
    const batch = await measure(bench, batchSize, { seconds: roundSeconds });
    batches.push(batch);
    const fast = await benchmarkXadd(redisUrl, { pipelined: 50, requests: 1_000_000, bytes });
    if (fast !== null) pipelined.push(fast);
    const rates = [single.perSecond, naives.at(-1), xadd, batch.perSecond, fast];
    const [own, three, plain, many, fifty] = rates.map((rate) => (rate == null ? "none" : Math.round(rate)));
    say(
      `round ${round}: single ${own}/s, three-command ${three}/s, XADD ${plain}/s; ` +
        `batches ${many}/s, XADD by 50 ${fifty}/s`,
    );
  }
  const single = middle(singles);
  const batch = middle(batches);
  const against = (name: string, values: readonly number[]) =>
    values.length === 0 ? null : { name, value: median(values) };
  const xadd = against("redis-benchmark XADD", xadds);
  const figures: BenchFigure[] = [
    comparedFigure(
      "single_events_per_second",
      single.perSecond,
      "events/s",
      against("three-command server", naives),
    ),
    comparedFigure("single_events_beside_xadd", single.perSecond, "events/s", xadd),
    ...latencies("single", single.report),
    comparedFigure(
      "batch_events_per_second",
      batch.perSecond,
      "events/s",
      against("redis-benchmark XADD, 50 at once", pipelined),
    ),
    ...latencies("batch", batch.report),
  ];
  return { figures, single, all: [...singles, ...batches] };
}

async function measureNaive({ senders, streams }: Bench, naive: ThreeCommandServer): Promise<number> {
  await streams.rest();
  const merchants = senders.flatMap((sender) => sender.merchants);
  const report = await runLoad({
    port: naive.port,
    senders: [{ apiKey: naive.apiKey, merchants }],
    batch: 1,
    connections,
    seconds: roundSeconds,
  });
  if (report.refused > 0) throw new Error(`the three-command server refused: ${report.firstRefusal}`);
  await naive.clear();
  return report.requests / report.seconds;
}

async function halfLoad(bench: Bench, perSecond: number): Promise<Measured> {
  bench.say(`open loop at ${Math.round(perSecond / 2)}/s`);
  // What was written before would have Redis rewrite its file in the midst of it.
  await bench.streams.rest();
  await bench.streams.redis.bgrewriteaof();
  return measure(bench, 1, { perSecond: perSecond / 2, seconds: halfSeconds });
}

function latencies(name: string, { p50Ms, p99Ms }: LoadReport): BenchFigure[] {
  return [figure(`${name}_p50_ms`, p50Ms, "ms"), figure(`${name}_p99_ms`, p99Ms, "ms")];
}

/** The load with the middle rate. */
function middle(loads: readonly Measured[]): Measured {
  const found = loads.toSorted((left, right) => left.perSecond - right.perSecond)[loads.length >> 1];
  if (found === undefined) throw new Error("nothing was measured");
  return found;
}

function memoryOf(installation: RunningInstallation): BenchFigure[] {
  const pid = installation.installation.process("ingest")?.pid;
  if (pid == null) return [];
  return [figure("memory_ingest_api", (memoryByProcess([pid]).get(pid) ?? 0) / 2 ** 20, "MiB")];
}

function checksOf(loads: readonly Measured[], sent: Measured, exported: Exported, isEmpty: boolean) {
  const count = sent.report.requests * batchSize;
  return [
    { name: "every request was answered with 202", ok: loads.every(({ report }) => report.refused === 0) },
    { name: "the streams have every acknowledged event, and no other", ok: loads.every((one) => one.isTrue) },
    { name: "the backlog was exported to its end", ok: isEmpty },
    {
      name: "the export has every event of the backlog once",
      ok: exported.rows === count && exported.ids === count,
    },
    { name: "no merchant's sequence has a gap in the export", ok: exported.gaps === 0 },
  ];
}

async function versions({ redis }: Streams): Promise<Record<string, string>> {
  const version = /^redis_version:(\S+)/m.exec(await redis.info("server"))?.[1] ?? "unknown";
  return { bun: Bun.version, redis: version };
}
