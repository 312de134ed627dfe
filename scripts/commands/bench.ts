import { Command } from "commander";
import type { Bench } from "../bench/bench.ts";
import { fraudBench } from "../bench/fraud/fraud-bench.ts";
import { ingestBench } from "../bench/ingest/ingest-bench.ts";
import { ledgerBench } from "../bench/ledger/ledger-bench.ts";
import { paymentsBench } from "../bench/payments/payments-bench.ts";
import { describeReport } from "../bench/result.ts";
import { webhooksBench } from "../bench/webhooks/webhooks-bench.ts";

const benches: Readonly<Record<string, Bench>> = {
  payments: paymentsBench,
  ledger: ledgerBench,
  webhooks: webhooksBench,
  fraud: fraudBench,
  ingest: ({ say }) => ingestBench(say),
};

interface BenchFlags {
  readonly json?: true;
  readonly quick?: true;
  readonly thorough?: true;
}

export function benchCommand(): Command {
  return new Command("bench")
    .description(
      "Measures this machine against fixed baselines in the same run, and checks that nothing was lost.",
    )
    .argument("[name]", `one of ${Object.keys(benches).join(", ")}`, "payments")
    .option("--json", "print the report in JSON")
    .option("--quick", "a tenth of the work: to see that it runs, not to judge by")
    .option("--thorough", "also what takes very long: payments with 10^7 stored")
    .addHelpText(
      "after",
      "\nThe baselines are SQL files in the folder that PAYFLOW_BASELINES names. Without them, or without" +
        "\npgbench, results come without a ratio.",
    )
    .action(async (name: string, flags: BenchFlags) => {
      const bench = Object.entries(benches).find(([known]) => known === name)?.[1];
      if (bench === undefined)
        throw new Error(`There is no benchmark ${name}; there is ${Object.keys(benches).join(", ")}.`);
      const report = await bench({
        say: (line) => console.error(`  ${line}`),
        scale: flags.quick === true ? 0.1 : 1,
        isThorough: flags.thorough === true,
      });
      console.log(flags.json === true ? JSON.stringify(report, null, 2) : describeReport(report));
      if (report.checks.some((check) => !check.ok)) process.exitCode = 1;
    });
}
