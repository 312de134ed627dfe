import path from "node:path";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import postgres, { type Sql } from "postgres";
import { runProgram } from "../load/run-load.ts";
import type { BenchRun } from "../measure/bench.ts";
import { busConfig, messageOf, openBus, settledEvent } from "../measure/bus.ts";
import { Costs } from "../measure/costs.ts";
import { partOfPlatform } from "../measure/part-of-platform.ts";
import { interleave } from "../measure/rounds.ts";
import { until } from "../measure/wait.ts";
import { type BenchReport, latencyFigures, machine, spreadFigure } from "../result.ts";
import { type BenchTenant, registerTenants } from "../tenants.ts";
import { type Endpoint, makeEndpoint } from "./endpoints.ts";
import type { PlainLoop } from "./plain-loop.ts";
import { type Receiver, startReceiver } from "./receiver.ts";
import type { Received } from "./receiver-process.ts";
import { areSigned, checkQueue } from "./webhooks-truth.ts";

const tenantCount = 10;
const eventsPerRound = 20_000;
const connections = 64;
const openSeconds = 20;
/** One in so many events goes to an endpoint that never answers. */
const hangingShare = 20;

interface Webhooks {
  readonly installation: RunningInstallation;
  readonly bus: EventBus;
  readonly sql: Sql;
  readonly receiver: Receiver;
  readonly tenants: readonly BenchTenant[];
  readonly endpoints: readonly Endpoint[];
  sent: number;
  delivered: number;
  /** Some of what was received, for checking signatures. */
  readonly samples: Received["samples"][number][];
}

/**
 * Settled payments from the bus as signed webhooks to a receiver, every attempt logged, beside a plain loop
 * that posts to the same receiver with the same signing; then at constant rates, one of them with an endpoint
 * that hangs.
 */
export async function webhooksBench({ say, scale, bus: busName }: BenchRun): Promise<BenchReport> {
  const installation = await startInstallation({
    bus: busName,
    platform: partOfPlatform(["tenant", "notifier"]),
    env: { LOG_LEVEL: "error" },
  });
  const receiver = await startReceiver();
  const bus = await openBus(busConfig(installation), "webhooks-bench");
  const sql = postgres(installation.databaseUrl("notifier", "superuser"), { max: 1, onnotice: () => {} });
  try {
    const tenants = await registerTenants(installation, tenantCount + 1);
    const endpoints = await Promise.all(
      tenants.map((tenant, index) =>
        makeEndpoint(
          installation,
          tenant,
          index < tenantCount ? `${receiver.url}/${index}` : receiver.hangingUrl,
        ),
      ),
    );
    const webhooks: Webhooks = {
      installation,
      bus,
      sql,
      receiver,
      tenants,
      endpoints,
      sent: 0,
      delivered: 0,
      samples: [],
    };
    const costs = new Costs(installation, () => [{ name: "receiver", pid: receiver.pid }]);
    const full = await fullRounds(webhooks, costs, say, scale);
    say("1,000/s, then 500/s with 5 % to an endpoint that hangs");
    const steady = await atRate(webhooks, 1_000, openSeconds * scale, false);
    const hanging = await atRate(webhooks, 500, openSeconds * scale, true);
    return {
      bench: "webhooks",
      results: [
        spreadFigure("deliveries_per_second", full.rates.ours, "deliveries/s", {
          name: "a plain POST loop with the same signing",
          rounds: full.rates.baseline,
        }),
        spreadFigure("events_queued_per_second", full.queued, "events/s"),
        ...latencyFigures("commit_to_request_at_1000", steady.fromCommitMs),
        ...latencyFigures("event_to_request_at_1000", steady.fromDueMs),
        ...latencyFigures("healthy_at_500_with_5_percent_hanging", hanging.fromDueMs),
        ...costs.processor(),
        ...costs.memory(),
      ],
      checks: [
        { name: "every event was delivered once", ok: webhooks.delivered === webhooks.sent },
        { name: "every signature is right", ok: areSigned(webhooks.samples, endpoints) },
        ...(await checkQueue(sql, webhooks.delivered)),
      ],
      versions: await versions(sql),
      machine: machine(),
    };
  } finally {
    await bus.close();
    await sql.end();
    await receiver.stop();
    await installation.stop();
  }
}

async function fullRounds(webhooks: Webhooks, costs: Costs, say: (line: string) => void, scale: number) {
  const queued: number[] = [];
  const count = eventsPerRound * scale;
  say("warming up");
  await deliver(webhooks, count / 2);
  const round = async () => {
    const done = await costs.during(
      () => deliver(webhooks, count),
      () => count,
    );
    queued.push(count / done.queuedSeconds);
    return count / done.seconds;
  };
  const body = JSON.stringify({
    event: "payment.settled",
    ...settledEvent(webhooks.tenants[0]?.tenantId ?? "", 1).data,
  });
  const program = path.join(import.meta.dir, "plain-loop.ts");
  const order: PlainLoop = { url: webhooks.receiver.url, count, connections, body };
  const baseline = async () => {
    const seconds = await runProgram<number>(program, order);
    const { requests } = await webhooks.receiver.received();
    if (requests !== count) throw new Error(`the plain loop posted ${requests} of ${count}`);
    return count / seconds;
  };
  return { rates: await interleave("deliveries", round, baseline, say), queued };
}

/** Publishes events of all tenants at once and waits until each was received; how long that took. */
async function deliver(webhooks: Webhooks, count: number) {
  const { bus, sql, receiver, tenants } = webhooks;
  await receiver.received();
  const [before] = await sql`select coalesce(max(id), 0)::int as id from message`;
  const events = Array.from({ length: count }, (_, index) =>
    settledEvent(tenants[index % tenantCount]?.tenantId ?? "", 100 + index),
  );
  const startedAt = performance.now();
  await bus.send(events.map(messageOf));
  await until("all webhooks are delivered", async () => (await receiver.count()) >= count);
  const seconds = (performance.now() - startedAt) / 1_000;
  webhooks.sent += count;
  const { at, samples } = await receiver.received();
  webhooks.delivered += Object.keys(at).length;
  webhooks.samples.push(...samples);
  const [span] = await sql`select extract(epoch from max(created_at) - min(created_at))::float8 as seconds
    from message where id > ${before?.id ?? 0}`;
  return { seconds, queuedSeconds: Math.max(span?.seconds ?? 0, 0.001) };
}

/**
 * Publishes events at a constant rate, and how long each took until the receiver had it: since the event was
 * due, and since its delivery was queued.
 */
async function atRate(webhooks: Webhooks, perSecond: number, seconds: number, hangs: boolean) {
  const { bus, sql, receiver, tenants } = webhooks;
  await receiver.received();
  const dueAt = new Map<string, number>();
  const startedAt = Date.now();
  const total = Math.floor(perSecond * seconds);
  for (let made = 0; made < total; await Bun.sleep(2)) {
    const due = Math.min(total, Math.floor(((Date.now() - startedAt) / 1_000) * perSecond));
    const events = [];
    for (; made < due; made += 1) {
      const isHanging = hangs && made % hangingShare === 0;
      const event = settledEvent(
        tenants[isHanging ? tenantCount : made % tenantCount]?.tenantId ?? "",
        1 + made,
      );
      events.push(event);
      if (!isHanging) dueAt.set(event.event_id, startedAt + (made / perSecond) * 1_000);
    }
    if (events.length > 0) await bus.send(events.map(messageOf));
  }
  await until("all webhooks are delivered", async () => (await receiver.count()) >= dueAt.size);
  const { at } = await receiver.received();
  webhooks.sent += dueAt.size;
  webhooks.delivered += Object.keys(at).length;
  const rows = await sql`select event_id, extract(epoch from created_at) * 1000 as at from message
    where created_at > to_timestamp(${startedAt / 1_000 - 1})`;
  const queuedAt = new Map(rows.map((row) => [String(row.event_id), Number(row.at)]));
  const since = (times: ReadonlyMap<string, number>) =>
    [...dueAt.keys()].flatMap((id) => {
      const [from, then] = [times.get(id), at[id]];
      return from === undefined || then === undefined ? [] : [Math.max(0, then - from)];
    });
  return { fromDueMs: since(dueAt), fromCommitMs: since(queuedAt) };
}

async function versions(sql: Sql): Promise<Record<string, string>> {
  const [row] = await sql`show server_version`;
  return { bun: Bun.version, postgresql: String(row?.server_version) };
}
