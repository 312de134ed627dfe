import path from "node:path";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { memoryByProcess } from "@payflow/one-machine/processes/memory.ts";
import postgres from "postgres";
import { baselinesFolder, findPgbench, runPgbench } from "./baseline.ts";
import { type Answered, closedLoop, type Load, openLoop, type Send } from "./load.ts";
import { Books, checkTruth } from "./payments-truth.ts";
import { startReceiver } from "./receiver.ts";
import {
  type BenchFigure,
  type BenchReport,
  comparedFigure,
  figure,
  machine,
  median,
  percentile,
} from "./result.ts";
import { type BenchTenant, registerTenants, setWebhook } from "./tenants.ts";

const connections = 64;
const rounds = 3;
const roundSeconds = 10;
const openSeconds = 15;

/**
 * Payments through the public API with everything running, against the naive gateway's SQL on the same
 * server: closed loop at 64 connections interleaved with the baseline, replays, and an open loop at half the
 * maximum.
 */
export async function paymentsBench(say: (line: string) => void): Promise<BenchReport> {
  const installation = await startInstallation({ env: { LOG_LEVEL: "warn" } });
  const receiver = startReceiver();
  const books = new Books(installation);
  try {
    const tenants = await registerTenants(installation, 10);
    const [first] = tenants;
    if (first !== undefined) await setWebhook(installation, first, receiver.url);
    const send = paymentSender(installation.url("payment"), tenants);
    const naive = await prepareBaseline(installation, say);
    say("warming up");
    const all: Answered[] = [...(await closedLoop(send.create, connections, 5)).answered];
    const { perSecond, loads, baseline } = await interleave(books, send.create, naive, say);
    all.push(...loads.flatMap((load) => load.answered));
    say("replays");
    const replays = await closedLoop(send.replay, connections, 5);
    say(`open loop at ${Math.round(perSecond / 2)}/s`);
    await books.waitUntilDrained();
    const half = await openLoop(send.create, perSecond / 2, openSeconds);
    all.push(...half.answered);
    await books.waitUntilDrained();
    await receiver.quiet();
    const bookedAt = await books.bookedAt();
    const scored = await books.scoredShare(half.answered.map((one) => one.id));
    const results = [
      comparedFigure("payments_per_second", perSecond, "payments/s", baseline),
      ...latencies(
        "full_load",
        loads.flatMap((load) => load.answered),
      ),
      figure("replays_per_second", replays.answered.length / replays.seconds, "requests/s"),
      ...latencies("half_load", half.answered),
      figure("booked_p99_ms", percentile(delays(half.answered, bookedAt), 0.99), "ms"),
      figure("delivered_p99_ms", percentile(delays(half.answered, receiver.receivedAt), 0.99), "ms"),
      ...memoryFigures(installation),
    ];
    const checks = [
      ...(await checkTruth(books, all)),
      { name: "every request was answered with 201", ok: all.every((one) => one.status === 201) },
      { name: "every replay was answered with 201", ok: replays.answered.every((one) => one.status === 201) },
      { name: "at least 99.9 % scored in time at half load", ok: scored >= 0.999 },
    ];
    return { bench: "payments", results, checks, versions: await versions(books), machine: machine() };
  } finally {
    receiver.stop();
    await books.close();
    await installation.stop();
  }
}

type Baseline = (seconds: number) => number;

async function prepareBaseline(
  installation: RunningInstallation,
  say: (line: string) => void,
): Promise<Baseline | null> {
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
  return (seconds) => runPgbench(pgbench, path.join(folder, "payments.sql"), url, seconds);
}

async function interleave(books: Books, create: Send, naive: Baseline | null, say: (line: string) => void) {
  const rates: number[] = [];
  const baselineRates: number[] = [];
  const loads: Load[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const before = await books.paymentCount();
    const load = await closedLoop(create, connections, roundSeconds);
    rates.push(((await books.paymentCount()) - before) / load.seconds);
    loads.push(load);
    await books.waitUntilDrained();
    if (naive !== null) baselineRates.push(naive(roundSeconds));
    const beside = naive === null ? "" : `, naive ${Math.round(baselineRates.at(-1) ?? 0)}/s`;
    say(`round ${round}: ${Math.round(rates.at(-1) ?? 0)}/s${beside}`);
  }
  const baseline =
    naive === null ? null : { name: "naive gateway, two commits", value: median(baselineRates) };
  return { perSecond: median(rates), loads, baseline };
}

function paymentSender(base: string, tenants: readonly BenchTenant[]) {
  let count = 0;
  const post = async (key: string, tenant: BenchTenant, body: string) => {
    const answer = await fetch(`${base}/payments`, {
      method: "POST",
      headers: { "x-api-key": tenant.apiKey, "idempotency-key": key, "content-type": "application/json" },
      body,
    });
    // Refusals have no payment id; the checks then find a status other than 201.
    const { payment_id } = (await answer.json()) as { payment_id?: string };
    return { id: payment_id ?? "", status: answer.status };
  };
  const numbered = (number: number) => {
    // The modulus keeps the index inside the list.
    const tenant = tenants[number % tenants.length] as BenchTenant;
    const amount = 100 + (number % 99_900);
    const body = {
      amount,
      currency: "INR",
      customer_id: `customer-${number}`,
      metadata: { order_id: `${number}` },
    };
    return post(`bench-${number}`, tenant, JSON.stringify(body));
  };
  return {
    create: () => numbered(count++),
    replay: () => numbered(Math.floor(Math.random() * Math.min(count, 10_000))),
  };
}

function latencies(name: string, answered: readonly Answered[]): BenchFigure[] {
  const took = answered.map((one) => one.tookMs);
  return [
    figure(`${name}_p50_ms`, percentile(took, 0.5), "ms"),
    figure(`${name}_p99_ms`, percentile(took, 0.99), "ms"),
  ];
}

/** From the answer until what is recorded for the payment; what has no record does not count. */
function delays(answered: readonly Answered[], at: ReadonlyMap<string, number>): number[] {
  return answered.flatMap(({ id, answeredAt }) => {
    const then = at.get(id);
    return then === undefined ? [] : [Math.max(0, then - answeredAt)];
  });
}

function memoryFigures(installation: RunningInstallation): BenchFigure[] {
  const processes = installation.installation
    .processes()
    .flatMap(({ name, pid }) => (pid === null ? [] : [{ name, pid }]));
  const memory = memoryByProcess(processes.map((one) => one.pid));
  const figures = processes.map(({ name, pid }) =>
    figure(`memory_${name}`, (memory.get(pid) ?? 0) / 2 ** 20, "MiB"),
  );
  return [
    ...figures,
    figure(
      "memory_total",
      figures.reduce((sum, one) => sum + one.value, 0),
      "MiB",
    ),
  ];
}

async function versions(books: Books): Promise<Record<string, string>> {
  const [row] = await books.payment`show server_version`;
  return { bun: Bun.version, postgresql: String(row?.server_version) };
}
