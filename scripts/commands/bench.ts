import { Command, Option } from "commander";
import { busBench } from "../bench/bus/bus-bench.ts";
import { fraudBench } from "../bench/fraud/fraud-bench.ts";
import { ingestBench } from "../bench/ingest/ingest-bench.ts";
import { ledgerBench } from "../bench/ledger/ledger-bench.ts";
import type { Bench } from "../bench/measure/bench.ts";
import { paymentsBench } from "../bench/payments/payments-bench.ts";
import { storeReport } from "../bench/report/stored-reports.ts";
import { type BenchReport, describeReport } from "../bench/result.ts";
import { webhooksBench } from "../bench/webhooks/webhooks-bench.ts";
import { operatorBench } from "../cluster/bench/operator-bench.ts";

const benches: Readonly<Record<string, Bench>> = {
  payments: paymentsBench,
  ledger: ledgerBench,
  webhooks: webhooksBench,
  fraud: fraudBench,
  bus: busBench,
  ingest: ({ say }) => ingestBench(say),
  operator: operatorBench,
};

const names = [...Object.keys(benches), "all"];

interface BenchFlags {
  readonly json?: true;
  readonly report?: true;
  readonly quick?: true;
  readonly thorough?: true;
  readonly bus: "redis" | "kafka";
}

export function benchCommand(): Command {
  return new Command("bench")
    .description(
      "Measures this machine against fixed baselines in the same run, and checks that nothing was lost.",
    )
    .argument("[name]", `one of ${names.join(", ")}`, "payments")
    .option("--json", "print the report in JSON; of all, a list of them")
    .option("--report", "also write docs/benchmarks.md and its picture")
    .addOption(
      new Option("--bus <bus>", "which bus the events go over").choices(["redis", "kafka"]).default("redis"),
    )
    .option("--quick", "a tenth of the work: to see that it runs, not to judge by")
    .option("--thorough", "also what takes very long: payments with 10^7 stored")
    .addHelpText(
      "after",
      "\nThe baselines are SQL files in the folder that PAYFLOW_BASELINES names. Without them, or without" +
        "\npgbench, results come without a ratio.",
    )
    .action(runBenches);
}

async function runBenches(name: string, flags: BenchFlags): Promise<void> {
  const chosen = Object.entries(benches).filter(([known]) => name === "all" || name === known);
  if (chosen.length === 0) throw new Error(`There is no benchmark ${name}; there is ${names.join(", ")}.`);
  const reports: BenchReport[] = [];
  for (const [known, bench] of chosen) {
    if (name === "all") console.error(known);
    const report = await bench({
      say: (line) => console.error(`  ${line}`),
      scale: flags.quick === true ? 0.1 : 1,
      isThorough: flags.thorough === true,
      bus: flags.bus,
    });
    reports.push(report);
    // After each, so that what was measured is kept when a later one fails.
    if (flags.report === true) storeReport(report, commandOf(name, flags));
    if (flags.json !== true) console.log(describeReport(report));
  }
  if (flags.json === true) console.log(JSON.stringify(name === "all" ? reports : reports[0], null, 2));
  if (reports.some((report) => report.checks.some((check) => !check.ok))) process.exitCode = 1;
}

function commandOf(name: string, { bus, quick, thorough }: BenchFlags): string {
  const options = [
    ...(bus === "kafka" ? ["--bus kafka"] : []),
    ...(quick === true ? ["--quick"] : []),
    ...(thorough === true ? ["--thorough"] : []),
  ];
  return ["./payflow bench", name, "--report", ...options].join(" ");
}
