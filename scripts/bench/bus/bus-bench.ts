import path from "node:path";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import type { BusConfig } from "@payflow/service-kit/bus/open-bus.ts";
import { Redis } from "ioredis";
import postgres, { type Sql } from "postgres";
import { runProgram } from "../load/run-load.ts";
import type { BenchRun } from "../measure/bench.ts";
import { busConfig } from "../measure/bus.ts";
import { Costs } from "../measure/costs.ts";
import { partOfPlatform } from "../measure/part-of-platform.ts";
import { interleave } from "../measure/rounds.ts";
import { type SideProcess, startSideProcess } from "../measure/side-process.ts";
import { until } from "../measure/wait.ts";
import { type BenchReport, figure, latencyFigures, machine, percentile, spreadFigure } from "../result.ts";
import type { Consumed } from "./consumer-process.ts";
import type { RelayOrder } from "./relay-process.ts";
import { smallEvents } from "./small-events.ts";

const eventsPerRound = 60_000;
/** Events of one commit, as of payments that were claimed together, and commits under way at once. */
const perCommit = 64;
const writers = 4;
const openSeconds = 10;
const steadyRate = 1_000;

interface BusParts {
  readonly sql: Sql;
  readonly relay: SideProcess;
  readonly consumer: SideProcess;
  sent: number;
}

/**
 * Events of 400 bytes from their commit in an outbox through the relay and the bus to a consumer that counts
 * them, beside the client's bare produce and consume on the same broker.
 */
export async function busBench(run: BenchRun): Promise<BenchReport> {
  const { say, scale, bus } = run;
  const installation = await startInstallation({ platform: partOfPlatform([], ["payment"]), bus });
  const config = busConfig(installation, "ledger");
  const sql = postgres(installation.databaseUrl("payment", "superuser"), {
    max: writers,
    onnotice: () => {},
  });
  const relayOrder: RelayOrder = { databaseUrl: installation.databaseUrl("payment", "service"), bus: config };
  const consumer = await startSideProcess(path.join(import.meta.dir, "consumer-process.ts"), config);
  const relay = await startSideProcess(path.join(import.meta.dir, "relay-process.ts"), relayOrder);
  const costs = new Costs(installation, () => [
    { name: "relay", pid: relay.pid },
    { name: "consumer", pid: consumer.pid },
  ]);
  try {
    const parts: BusParts = { sql, relay, consumer, sent: 0 };
    const count = Math.ceil((eventsPerRound * scale) / perCommit) * perCommit;
    say(`over ${bus}; warming up`);
    await pass(parts, count);
    const accepted: number[] = [];
    const round = async () => {
      const { acceptedSeconds, seconds } = await costs.during(
        () => pass(parts, count),
        () => count,
      );
      accepted.push(count / acceptedSeconds);
      return count / seconds;
    };
    const rates = await interleave("events", round, bareClient(installation, config, count), say);
    await consumer.ask<Consumed>("/consumed");
    say(`open loop at ${steadyRate}/s`);
    await atRate(parts, steadyRate, openSeconds * scale);
    const { tookMs } = await consumer.ask<Consumed>("/consumed");
    await atRate(parts, 5_000, openSeconds * scale);
    const end = await consumer.ask<Consumed>("/consumed");
    return {
      bench: "bus",
      results: [
        spreadFigure("events_per_second", rates.ours, "events/s", {
          name: `${bus}: the bare client's produce and consume`,
          rounds: rates.baseline,
        }),
        spreadFigure("events_committed_per_second", accepted, "events/s"),
        ...latencyFigures("commit_to_handler_at_1000", tookMs),
        figure("commit_to_handler_at_5000_p99_ms", percentile(end.tookMs, 0.99), "ms"),
        ...costs.processor(),
        ...costs.memory(),
      ],
      checks: [
        { name: "every event was handled", ok: end.events === parts.sent },
        { name: "no event came before an earlier one of its key", ok: end.early === 0 },
        { name: "the outbox is empty", ok: (await waiting(sql)) === 0 },
      ],
      versions: await versions(installation, sql, bus),
      machine: machine(),
    };
  } finally {
    await Promise.all([relay.stop(), consumer.stop(), sql.end()]);
    await installation.stop();
  }
}

/** Commits events as fast as the database takes them, and waits until all were handled. */
async function pass(parts: BusParts, count: number) {
  const { consumer } = parts;
  const from = parts.sent;
  const events = smallEvents(from, count);
  parts.sent += count;
  const startedAt = performance.now();
  // An outbox is in order per key where rows of a key are committed in order: a writer takes whole blocks.
  let next = 0;
  const write = async () => {
    while (next < count) {
      const at = next;
      next += perCommit;
      await commit(parts, events.slice(at, at + perCommit));
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  const acceptedSeconds = (performance.now() - startedAt) / 1_000;
  await until("all events are handled", async () => (await consumer.ask<number>("/count")) >= parts.sent);
  return { acceptedSeconds, seconds: (performance.now() - startedAt) / 1_000 };
}

async function commit(
  { sql, relay }: BusParts,
  events: readonly { topic: string; key: string; envelope: string }[],
) {
  await sql`
    insert into outbox (topic, key, envelope)
    select topic, key, envelope
      from unnest(${events.map((one) => one.topic)}::text[], ${events.map((one) => one.key)}::text[],
                  ${events.map((one) => one.envelope)}::text[])
           with ordinality as row (topic, key, envelope, position)
     order by position`;
  void relay.ask("/wake");
}

/** Commits events at a constant rate; each tells when it was due. */
async function atRate(parts: BusParts, perSecond: number, seconds: number): Promise<void> {
  const total = Math.floor(perSecond * seconds);
  const startedAt = Date.now();
  for (let made = 0; made < total; await Bun.sleep(2)) {
    const due = Math.min(total, Math.floor(((Date.now() - startedAt) / 1_000) * perSecond));
    if (due === made) continue;
    const dueAt = new Date(startedAt + (made / perSecond) * 1_000);
    const events = smallEvents(parts.sent, due - made, dueAt);
    parts.sent += events.length;
    made = due;
    await commit(parts, events);
  }
  await until(
    "all events are handled",
    async () => (await parts.consumer.ask<number>("/count")) >= parts.sent,
  );
}

function bareClient(installation: RunningInstallation, config: BusConfig, count: number) {
  const program = path.join(
    import.meta.dir,
    config.EVENT_BUS === "kafka" ? "bare-kafka.ts" : "bare-redis.ts",
  );
  const order = { url: installation.durableRedisUrl, config, count };
  return async () => count / (await runProgram<number>(program, order));
}

async function waiting(sql: Sql): Promise<number> {
  const [row] = await sql`select count(*)::int as count from outbox`;
  return row?.count ?? -1;
}

async function versions(installation: RunningInstallation, sql: Sql, bus: string) {
  const [row] = await sql`show server_version`;
  const redis = new Redis(installation.durableRedisUrl);
  const version = /^redis_version:(\S+)/m.exec(await redis.info("server"))?.[1] ?? "unknown";
  redis.disconnect();
  return { bun: Bun.version, bus, postgresql: String(row?.server_version), redis: version };
}
