import path from "node:path";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import postgres from "postgres";
import { baselinesFolder, findPgbench, runPgbench } from "../baseline.ts";
import type { Answered, LoadReport } from "../load/http-load.ts";
import type { BenchRun } from "../measure/bench.ts";
import { Costs } from "../measure/costs.ts";
import { interleave } from "../measure/rounds.ts";
import {
  type BenchCurves,
  type BenchReport,
  figure,
  latencyFigures,
  machine,
  median,
  percentile,
  spreadFigure,
} from "../result.ts";
import { registerTenants, setWebhook } from "../tenants.ts";
import { growthFigures } from "./growth.ts";
import { PaymentLoad } from "./payment-load.ts";
import { Books, checkTruth } from "./payments-truth.ts";
import { startReceiver } from "./receiver.ts";

const connections = 64;
/** An open load must find a free connection whenever a request is due, or it waits in the wrong place. */
const openConnections = 512;
const roundSeconds = 10;
const replaySeconds = 4;
const openSeconds = 15;
/** At which payments are told to be booked soon after their answer. */
const bookedRate = 1_000;

/** Everything that the parts of this benchmark share. */
interface Parts extends BenchRun {
  readonly installation: RunningInstallation;
  readonly load: PaymentLoad;
  readonly books: Books;
  readonly costs: Costs;
}

/**
 * Payments through the public API with everything running, against the naive gateway's SQL on the same
 * server: closed loop at 64 connections interleaved with the baseline and with replays, an open loop at half
 * the maximum and one at 1,000 a second, and how cost grows with what is stored.
 */
export async function paymentsBench(run: BenchRun): Promise<BenchReport> {
  const report = await measurePayments(run);
  return { ...report, results: [...report.results, ...(await growthFigures(run))] };
}

async function measurePayments(run: BenchRun): Promise<BenchReport> {
  const installation = await startInstallation({ bus: run.bus, env: { LOG_LEVEL: "warn" } });
  const receiver = startReceiver();
  const books = new Books(installation);
  try {
    const tenants = await registerTenants(installation, 10);
    const [first] = tenants;
    if (first !== undefined) await setWebhook(installation, first, receiver.url);
    const load = new PaymentLoad(installation.url("payment"), tenants);
    const parts: Parts = { ...run, installation, load, books, costs: new Costs(installation) };
    const full = await fullLoad(parts);
    const perSecond = median(full.accepted.ours);
    run.say(`open loop at ${Math.round(perSecond / 2)}/s, then at ${bookedRate}/s`);
    const half = await openLoad(parts, perSecond / 2, openSeconds);
    const steady = await openLoad(parts, bookedRate, openSeconds);
    await receiver.quiet();
    const bookedAt = await books.bookedAt();
    const scored = await books.scoredShare(half.answered.map((one) => one.id));
    const curves = await measureCurves(parts, perSecond);
    const memory = parts.costs.memory();
    const checks = [
      ...(await checkTruth(books, load.created)),
      { name: "every request was answered with 201", ok: load.created.every((one) => one.status === 201) },
      { name: "every replay was answered with 201", ok: full.replaysRefused === 0 },
      { name: "at least 99.9 % scored in time at half load", ok: scored >= 0.999 },
    ];
    const results = [
      spreadFigure("payments_per_second", full.accepted.ours, "payments/s", {
        name: "naive gateway, two commits",
        rounds: full.accepted.baseline,
      }),
      spreadFigure("payments_drained_per_second", full.drained, "payments/s"),
      ...latencyFigures("full_load", full.tookMs),
      spreadFigure("replays_per_second", full.replays, "requests/s"),
      ...latencyFigures("half_load", half.tookMs),
      figure("booked_p99_ms", percentile(delays(half.answered, bookedAt), 0.99), "ms"),
      figure("booked_p99_ms_at_1000", percentile(delays(steady.answered, bookedAt), 0.99), "ms"),
      ...latencyFigures("at_1000", steady.tookMs),
      figure("delivered_p99_ms", percentile(delays(half.answered, receiver.receivedAt), 0.99), "ms"),
      ...parts.costs.processor(),
      ...memory,
    ];
    return {
      bench: "payments",
      results,
      checks,
      versions: await versions(books),
      machine: machine(),
      curves,
    };
  } finally {
    receiver.stop();
    await books.close();
    await installation.stop();
  }
}

/** As fast as answers come: accepted and drained a second, beside the baseline, with replays in between. */
async function fullLoad(parts: Parts) {
  const { load, books, costs, scale, say, installation } = parts;
  const drained: number[] = [];
  const replays: number[] = [];
  const tookMs: number[] = [];
  let replaysRefused = 0;
  const naive = await prepareBaseline(installation, say);
  say("warming up");
  await load.create({ connections, seconds: 8 * scale });
  await books.waitUntilDrained(load.acknowledged);
  const round = async () => {
    const before = await books.paymentCount();
    const startedAt = performance.now();
    const work = async () => {
      const report = await load.create({ connections, seconds: roundSeconds * scale });
      const accepted = (await books.paymentCount()) - before;
      await books.waitUntilDrained(load.acknowledged);
      return { report, accepted };
    };
    const { report, accepted } = await costs.during(work, (one) => one.accepted);
    drained.push(accepted / ((performance.now() - startedAt) / 1_000));
    for (const one of report.tookMs) tookMs.push(one);
    const replayed = await load.replay({ connections, seconds: replaySeconds * scale });
    replays.push(replayed.units / replayed.seconds);
    replaysRefused += replayed.refused;
    return accepted / report.seconds;
  };
  const baseline = naive === null ? null : () => naive(Math.max(3, Math.round(roundSeconds * scale)));
  const accepted = await interleave("payments", round, baseline, say);
  return { accepted, drained, replays, replaysRefused, tookMs };
}

async function openLoad(
  { load, books, scale }: Parts,
  perSecond: number,
  seconds: number,
): Promise<LoadReport> {
  await books.waitUntilDrained(load.acknowledged);
  const report = await load.create({ connections: openConnections, perSecond, seconds: seconds * scale });
  await books.waitUntilDrained(load.acknowledged);
  return report;
}

/** Throughput as callers grow, and latency as the load does. */
async function measureCurves(parts: Parts, most: number): Promise<BenchCurves> {
  const { load, books, scale, say } = parts;
  say("throughput by connections, latency by load");
  const throughput = [];
  for (const callers of [1, 4, 16, 64, 256]) {
    const { units, seconds } = await load.create({ connections: callers, seconds: 5 * scale });
    throughput.push({ connections: callers, perSecond: Math.round(units / seconds) });
    await books.waitUntilDrained(load.acknowledged);
  }
  const latency = [];
  for (const share of [0.1, 0.25, 0.5, 0.7, 0.85, 0.95]) {
    const { tookMs } = await openLoad(parts, most * share, 6);
    const [p50Ms, p99Ms] = [percentile(tookMs, 0.5), percentile(tookMs, 0.99)];
    latency.push({ perSecond: Math.round(most * share), p50Ms, p99Ms });
  }
  return { throughput, latency };
}

async function prepareBaseline(installation: RunningInstallation, say: (line: string) => void) {
  const folder = baselinesFolder();
  const pgbench = folder === null ? null : findPgbench();
  if (folder === null || pgbench === null) {
    const missing =
      folder === null ? "the naive gateway's SQL is absent (PAYFLOW_BASELINES)" : "pgbench cannot be had";
    say(`no ratio: ${missing}`);
    return null;
  }
  const url = installation.databaseUrl("processor", "superuser");
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql.file(path.join(folder, "payments-schema.sql"));
  await sql.end();
  return (seconds: number) => runPgbench(pgbench, path.join(folder, "payments.sql"), url, seconds);
}

/** From the answer until what is recorded for the payment; what has no record does not count. */
function delays(answered: readonly Answered[], at: ReadonlyMap<string, number>): number[] {
  return answered.flatMap(({ id, answeredAt }) => {
    const then = at.get(id);
    return then === undefined ? [] : [Math.max(0, then - answeredAt)];
  });
}

async function versions(books: Books): Promise<Record<string, string>> {
  const [row] = await books.payment`show server_version`;
  return { bun: Bun.version, postgresql: String(row?.server_version) };
}
