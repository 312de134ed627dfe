import path from "node:path";
import { newId } from "@payflow/contracts/ids.ts";
import { maxScoreBatch, maxScoreSteps } from "@payflow/contracts/internal-fraud.ts";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { Redis } from "ioredis";
import postgres from "postgres";
import type { LoadOrder, LoadReport } from "../load/http-load.ts";
import { runLoad } from "../load/run-load.ts";
import type { BenchRun } from "../measure/bench.ts";
import { Costs } from "../measure/costs.ts";
import { partOfPlatform } from "../measure/part-of-platform.ts";
import { redisBenchmark } from "../measure/redis-benchmark.ts";
import { interleave } from "../measure/rounds.ts";
import {
  type BenchCheck,
  type BenchReport,
  figure,
  latencyFigures,
  machine,
  percentile,
  spreadFigure,
} from "../result.ts";
import { type BenchTenant, registerTenants } from "../tenants.ts";
import { countScriptCall, stepsOf } from "./bare-script.ts";
import { benchPolicy } from "./policy.ts";

const program = path.join(import.meta.dir, "load-process.ts");
/** As many calls does one payment process have under way, and as many payments go into one. */
const callers = 2;
const batch = Math.min(maxScoreBatch, Math.floor(maxScoreSteps / stepsOf(benchPolicy)));
const roundSeconds = 8;
const openRate = 5_000;
const openSeconds = 15;
/** Calls of the bare script in one round. */
const scriptCalls = 1_000;

/** Counts on with every load, since a number is a customer. */
interface Scoring {
  readonly installation: RunningInstallation;
  readonly tenantIds: readonly string[];
  units: number;
  refused: number;
}

/**
 * Scores under a policy of twenty rules through fraud's internal route, in calls as payment makes them,
 * beside the script that counts, run by redis-benchmark with a call's keys and arguments on the same Redis.
 */
export async function fraudBench({ say, scale }: BenchRun): Promise<BenchReport> {
  const installation = await startInstallation({
    platform: partOfPlatform(["tenant", "fraud"]),
    env: { LOG_LEVEL: "warn" },
  });
  try {
    const tenants = await registerTenants(installation, 10);
    for (const tenant of tenants) await putPolicy(installation, tenant);
    const tenantIds = tenants.map((tenant) => tenant.tenantId);
    const scoring: Scoring = { installation, tenantIds, units: 0, refused: 0 };
    const costs = new Costs(installation);
    say(`${benchPolicy.rules.length} rules, ${batch} payments a call; warming up`);
    await load(scoring, { seconds: 6 * scale });
    const round = async () => {
      const work = () => load(scoring, { seconds: roundSeconds * scale });
      const report = await costs.during(work, (one) => one.units);
      return report.units / report.seconds;
    };
    const bare = await prepareBareScript(installation, Math.ceil(scriptCalls * scale), say);
    const rates = await interleave("scores", round, bare, say);
    say(`open loop at ${openRate}/s`);
    const steady = await load(scoring, { perSecond: openRate, seconds: openSeconds * scale });
    const latency = await latencyByLoad(scoring, scale);
    return {
      bench: "fraud",
      results: [
        spreadFigure("scores_per_second", rates.ours, "scores/s", {
          name: "the bare script by redis-benchmark",
          rounds: rates.baseline,
        }),
        figure("payments_per_call", batch, "payments"),
        ...latencyFigures("at_5000", steady.tookMs),
        ...latency,
        ...costs.processor(),
        ...costs.memory(),
      ],
      checks: await checkDecisions(scoring),
      versions: await versions(installation),
      machine: machine(),
    };
  } finally {
    await installation.stop();
  }
}

async function load(scoring: Scoring, pace: Pick<LoadOrder, "seconds" | "perSecond">): Promise<LoadReport> {
  const { installation, tenantIds } = scoring;
  const { internalServiceSecret: internalSecret } = installation.secrets;
  const port = Number(new URL(installation.internalUrl("fraud")).port);
  const content = { tenantIds, internalSecret, from: scoring.units };
  const report = await runLoad(program, { ...pace, port, connections: callers, batch, content });
  scoring.units += report.units;
  scoring.refused += report.refused;
  if (report.refused > 0) throw new Error(`scores were refused: ${report.firstRefusal}`);
  return report;
}

async function latencyByLoad(scoring: Scoring, scale: number) {
  const figures = [];
  for (const perSecond of [1_000, 2_500, 8_000]) {
    const { tookMs } = await load(scoring, { perSecond, seconds: 6 * scale });
    figures.push(figure(`at_${perSecond}_p99_ms`, percentile(tookMs, 0.99), "ms"));
  }
  return figures;
}

async function putPolicy(installation: RunningInstallation, { apiKey }: BenchTenant): Promise<void> {
  const answer = await fetch(`${installation.url("fraud")}/fraud/policy`, {
    method: "PUT",
    headers: { "x-api-key": apiKey, "content-type": "application/json" },
    body: JSON.stringify(benchPolicy),
  });
  if (!answer.ok) throw new Error(`setting the policy answered ${answer.status}: ${await answer.text()}`);
}

/** A round of the script alone: scores a second, since a call counts as many payments as one of ours. */
async function prepareBareScript(
  installation: RunningInstallation,
  requests: number,
  say: (line: string) => void,
): Promise<(() => Promise<number>) | null> {
  // Of tenants of its own, so that those of the app are counted by the app alone.
  const tenantIds = Array.from({ length: 10 }, () => newId("ten"));
  const call = await countScriptCall(tenantIds, benchPolicy, batch);
  const redis = new Redis(installation.cacheRedisUrl);
  await redis.script("LOAD", call.script);
  redis.disconnect();
  const run = () =>
    redisBenchmark(installation.cacheRedisUrl, {
      clients: callers,
      requests,
      random: 1_000_000_000,
      command: call.command,
    });
  if ((await run()) === null) {
    say("no ratio: redis-benchmark is absent");
    return null;
  }
  return async () => ((await run()) ?? 0) * batch;
}

async function checkDecisions({ installation, tenantIds, units, refused }: Scoring): Promise<BenchCheck[]> {
  const sql = postgres(installation.databaseUrl("fraud", "superuser"), { max: 1, onnotice: () => {} });
  const owned = tenantIds.map(String);
  const [stored] = await sql`select count(*)::int as count, min(cardinality(seen))::int as rules
    from decision where tenant_id = any(${owned})`;
  const wrong = await sql`select tenant_id from decision where tenant_id = any(${owned})
    group by tenant_id having max(seen[1]) <> count(*)`;
  await sql.end();
  return [
    { name: "every score was answered", ok: refused === 0 },
    {
      name: "every payment has one decision, by all twenty rules",
      ok: stored?.count === units && stored.rules === 20,
    },
    { name: "every tenant's payments were counted exactly", ok: wrong.length === 0 },
  ];
}

async function versions(installation: RunningInstallation): Promise<Record<string, string>> {
  const redis = new Redis(installation.cacheRedisUrl);
  const version = /^redis_version:(\S+)/m.exec(await redis.info("server"))?.[1] ?? "unknown";
  redis.disconnect();
  return { bun: Bun.version, redis: version };
}
