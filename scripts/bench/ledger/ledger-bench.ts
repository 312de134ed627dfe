import path from "node:path";
import { newId } from "@payflow/contracts/ids.ts";
import { startInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import postgres, { type Sql } from "postgres";
import { findPgbench, runPgbench } from "../baseline.ts";
import type { BenchRun } from "../measure/bench.ts";
import { busConfig, messageOf, openBus, settledEvent } from "../measure/bus.ts";
import { Costs } from "../measure/costs.ts";
import { partOfPlatform } from "../measure/part-of-platform.ts";
import { interleave } from "../measure/rounds.ts";
import { until } from "../measure/wait.ts";
import { type BenchCheck, type BenchReport, machine, spreadFigure } from "../result.ts";

/** Events of one round. They are sent while the ledger waits, and must be sent before it gives up waiting. */
const eventsPerRound = 100_000;
const warmUpEvents = 40_000;
const baselineSeconds = 10;
const atOnce = 1_000;
/** The one tenant, whose two accounts all bookings meet at. */
const tenantId = newId("ten");

/** What was sent, for comparing it with what is booked. */
interface Sent {
  events: number;
  amountMinor: number;
}

/**
 * Settled payments of one tenant from the bus into the journal, by the ledger app with its own batches,
 * beside pgbench with a booking of two rows per commit on one hot account of the same server. A round's
 * events wait on the bus while a lock holds the app back; it is measured from the lock's end until all are
 * booked.
 */
export async function ledgerBench({ say, scale, bus: busName }: BenchRun): Promise<BenchReport> {
  const installation = await startInstallation({
    bus: busName,
    platform: partOfPlatform(["ledger"]),
    env: { LOG_LEVEL: "warn", RECONCILIATION_INTERVAL_SECONDS: "86400" },
  });
  const url = installation.databaseUrl("ledger", "superuser");
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  const bus = await openBus(busConfig(installation), "ledger-bench");
  const costs = new Costs(installation);
  const sent: Sent = { events: 0, amountMinor: 0 };
  const accepted: number[] = [];
  try {
    const baseline = await prepareBaseline(sql, url, say);
    say("warming up");
    await book(sql, bus, sent, warmUpEvents * scale, async (run) => run());
    const round = async () => {
      const count = eventsPerRound * scale;
      const measured = (run: () => Promise<void>) => costs.during(run, () => count);
      const { sendSeconds, bookSeconds } = await book(sql, bus, sent, count, measured);
      accepted.push(count / sendSeconds);
      return count / bookSeconds;
    };
    const naive = baseline === null ? null : () => baseline(Math.max(1, Math.round(baselineSeconds * scale)));
    const rates = await interleave("postings", round, naive, say);
    return {
      bench: "ledger",
      results: [
        spreadFigure("postings_per_second", rates.ours, "postings/s", {
          name: "pgbench, a booking of two rows a commit",
          rounds: rates.baseline,
        }),
        spreadFigure("events_accepted_per_second", accepted, "events/s"),
        ...costs.processor(),
        ...costs.memory(),
      ],
      checks: await checkBooks(sql, sent),
      versions: await versions(sql),
      machine: machine(),
    };
  } finally {
    await bus.close();
    await sql.end();
    await installation.stop();
  }
}

/** Sends events while the ledger is held back, lets it go and waits until all are booked. */
async function book(
  sql: Sql,
  bus: EventBus,
  sent: Sent,
  count: number,
  measured: (run: () => Promise<void>) => Promise<void>,
): Promise<{ readonly sendSeconds: number; readonly bookSeconds: number }> {
  const before = await bookedCount(sql);
  let sendSeconds = 0;
  // Each posting ends with a row of this table: the first one waits there, and the others behind it.
  await sql.begin(async (transaction) => {
    await transaction`lock table consumer_progress in exclusive mode`;
    const startedAt = performance.now();
    for (let left = count; left > 0; left -= atOnce) await send(bus, sent, Math.min(left, atOnce));
    sendSeconds = (performance.now() - startedAt) / 1_000;
  });
  const startedAt = performance.now();
  await measured(async () => {
    await until("all events are booked", async () => (await bookedCount(sql)) >= before + count, 10);
  });
  return { sendSeconds, bookSeconds: (performance.now() - startedAt) / 1_000 };
}

async function send(bus: EventBus, sent: Sent, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, index) => settledEvent(tenantId, 100 + (index % 900)));
  await bus.send(events.map(messageOf));
  sent.events += count;
  for (const event of events) sent.amountMinor += event.data.amount_captured;
}

/** By the ledger's own count, which is one row. */
async function bookedCount(sql: Sql): Promise<number> {
  const [row] = await sql`select coalesce(sum(transfers), 0)::int as count from consumer_progress`;
  return row?.count ?? 0;
}

async function prepareBaseline(sql: Sql, url: string, say: (line: string) => void) {
  const pgbench = findPgbench();
  if (pgbench === null) {
    say("no ratio: pgbench cannot be had");
    return null;
  }
  await sql.file(path.join(import.meta.dir, "hot-account-schema.sql"));
  const script = path.join(import.meta.dir, "hot-account.sql");
  return (seconds: number) => runPgbench(pgbench, script, url, seconds);
}

async function checkBooks(sql: Sql, sent: Sent): Promise<BenchCheck[]> {
  const [booked] = await sql`select count(*)::int as count, count(distinct payment_id)::int as payments,
    coalesce(sum(amount), 0)::text as sum from transfer`;
  const [hot] = await sql`select credits::text as credits, transfers::int as transfers from account
    where tenant_id = ${tenantId} and account = 'tenant_payable'`;
  const [sides] = await sql`select sum(debits) = sum(credits) as balance from account`;
  const [refused] = await sql`select count(*)::int as count from refused_posting`;
  return [
    {
      name: "every event is booked once, with its amount",
      ok:
        booked?.count === sent.events &&
        booked.payments === sent.events &&
        booked.sum === String(sent.amountMinor),
    },
    {
      name: "the hot account's balance is the sum of its rows",
      ok: hot?.credits === String(sent.amountMinor) && hot.transfers === sent.events,
    },
    { name: "debits equal credits", ok: sides?.balance === true },
    { name: "nothing was refused", ok: refused?.count === 0 },
  ];
}

async function versions(sql: Sql): Promise<Record<string, string>> {
  const [row] = await sql`show server_version`;
  return { bun: Bun.version, postgresql: String(row?.server_version) };
}
