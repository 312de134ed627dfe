import path from "node:path";
import { startInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import type { Settings } from "@payflow/one-machine/installation/state.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { Command, InvalidArgumentError, Option } from "commander";
import { promises, type ScenarioName } from "../../loadtest/run/promises.ts";
import { markdownOf } from "../../loadtest/run/report.ts";
import { isK6Built, k6Binary, pinnedVersion } from "../loadtest/k6-binary.ts";
import { runScenario } from "../loadtest/run-scenario.ts";
import { scenarioNamed, scenarioNames, scenarios } from "../loadtest/scenarios.ts";
import { ownTarget, runningTarget, type Target } from "../loadtest/target.ts";
import { wholeNumber } from "./state-option.ts";

interface LoadtestFlags {
  readonly duration?: number;
  readonly rate?: number;
  readonly replicas: number;
  readonly bus: Settings["bus"];
  readonly state?: string;
  readonly out?: string;
}

export function loadtestCommand(): Command {
  const list = scenarioNames.map((name) => `  ${name.padEnd(18)} ${promises[name]}`).join("\n");
  return new Command("loadtest")
    .description(
      "Puts an installation under load with k6 and checks what must hold: money, events, deliveries, limits.",
    )
    .argument("<name>", "a load test, or all")
    .option("--duration <time>", "how long the load lasts, as in 90s, 10m or 1h", seconds)
    .option("--rate <n>", "iterations that begin in a second, whatever the answers do", wholeNumber)
    .option(
      "--replicas <n>",
      "processes of each app, where it starts an installation of its own",
      wholeNumber,
      1,
    )
    .addOption(
      new Option("--bus <name>", "the bus of an installation of its own")
        .choices(["redis", "kafka"])
        .default("redis"),
    )
    .option("--state <dir>", "use the installation that runs on this folder, such as .payflow")
    .option("--out <dir>", "where results go; loadtest/results/NAME-TIME when left out")
    .addHelpText("after", `\nLoad tests:\n${list}`)
    .action(async (name: string, flags: LoadtestFlags) => {
      const names = name === "all" ? scenarioNames : [scenarioNamed(name)];
      if (!(await runAll(names, flags))) process.exitCode = 1;
    });
}

async function runAll(names: readonly ScenarioName[], flags: LoadtestFlags): Promise<boolean> {
  if (!isK6Built())
    console.error(`  building k6 ${pinnedVersion()}, which takes some minutes the first time`);
  await k6Binary();
  return withTarget(flags, async (target) => {
    let isPassed = true;
    for (const name of names) isPassed = (await runOne(name, target, flags)) && isPassed;
    return isPassed;
  });
}

async function runOne(name: ScenarioName, target: Target, flags: LoadtestFlags): Promise<boolean> {
  const { long } = scenarios[name];
  const amount = { rate: flags.rate ?? long.rate, seconds: flags.duration ?? long.seconds };
  const folder = flags.out === undefined ? usualFolder(name) : path.join(path.resolve(flags.out), name);
  console.error(`  ${name}: ${amount.rate}/s for ${amount.seconds} s`);
  const report = await runScenario({ name, target, amount, folder });
  console.log(markdownOf(report));
  const near = path.relative(process.cwd(), folder);
  console.log(`Results: ${near.startsWith("..") ? folder : near}/results.json, summary.md, k6.log\n`);
  return report.isPassed;
}

function usualFolder(name: ScenarioName): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "");
  return path.join(repositoryRoot, "loadtest/results", `${name}-${time}`);
}

/** Has the load sent to a running installation or, usually, to one that comes and goes with it. */
async function withTarget<T>(flags: LoadtestFlags, use: (target: Target) => Promise<T>): Promise<T> {
  if (flags.state !== undefined) return use(runningTarget(path.resolve(flags.state)));
  const { replicas, bus } = flags;
  const installation = await startInstallation({ replicas, bus, env: { LOG_LEVEL: "warn" } });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => void installation.stop().finally(() => process.exit(130)));
  }
  try {
    return await use(ownTarget(installation));
  } finally {
    await installation.stop();
  }
}

/** Reads a time such as 90, 90s, 10m or 1h, in seconds. */
function seconds(text: string): number {
  const [, number, unit = "s"] = /^(\d{1,6})([smh])?$/.exec(text) ?? [];
  const factor = { s: 1, m: 60, h: 3_600 }[unit] ?? 1;
  if (number === undefined || Number(number) < 1)
    throw new InvalidArgumentError("It must be a time such as 90s, 10m or 1h.");
  return Number(number) * factor;
}
