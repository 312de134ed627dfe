import { Command } from "commander";
import { ingestBench } from "../bench/ingest/ingest-bench.ts";
import { paymentsBench } from "../bench/payments-bench.ts";
import { describeReport } from "../bench/result.ts";

const benches = { payments: paymentsBench, ingest: ingestBench };

interface BenchFlags {
  readonly json?: true;
}

export function benchCommand(): Command {
  return new Command("bench")
    .description(
      "Measures this machine against fixed baselines in the same run, and checks that nothing was lost.",
    )
    .argument("[name]", `one of ${Object.keys(benches).join(", ")}`, "payments")
    .option("--json", "print the report in JSON")
    .addHelpText(
      "after",
      "\nThe baselines are SQL files in the folder that PAYFLOW_BASELINES names. Without them, or without" +
        "\npgbench, results come without a ratio.",
    )
    .action(async (name: string, flags: BenchFlags) => {
      const bench = Object.entries(benches).find(([known]) => known === name)?.[1];
      if (bench === undefined)
        throw new Error(`There is no benchmark ${name}; there is ${Object.keys(benches).join(", ")}.`);
      const report = await bench((line) => console.error(`  ${line}`));
      console.log(flags.json === true ? JSON.stringify(report, null, 2) : describeReport(report));
      if (report.checks.some((check) => !check.ok)) process.exitCode = 1;
    });
}
