import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { logTail } from "@payflow/one-machine/processes/supervisor.ts";
import { Command } from "commander";
import { followLogs, prefixed } from "../installation/log-follower.ts";
import { type StateFlag, stateOption, wholeNumber } from "./state-option.ts";

interface LogsFlags extends StateFlag {
  readonly follow?: true;
  readonly lines: number;
}

export function logsCommand(): Command {
  return new Command("logs")
    .description("Shows the last lines that apps and stores logged.")
    .argument("[app]", "only this app, replica or store: payment, payment-2, postgres")
    .option("-f, --follow", "go on with new lines until Ctrl-C")
    .option("-n, --lines <n>", "lines of each process", wholeNumber, 50)
    .addOption(stateOption())
    .action(showLogs);
}

async function showLogs(app: string | undefined, { state, follow, lines }: LogsFlags): Promise<void> {
  const names = logNames(state).filter(
    (name) => app === undefined || name === app || name.startsWith(`${app}-`),
  );
  if (names.length === 0) {
    const known = logNames(state).join(", ");
    throw new Error(
      `There are no logs${app === undefined ? "" : ` of ${app}`} in ${state}.${known && ` Known: ${known}.`}`,
    );
  }
  for (const name of lines === 0 ? [] : names) {
    for (const line of logTail(path.join(state, "logs", `${name}.log`), lines).split("\n")) {
      console.log(prefixed(name, line));
    }
  }
  if (!follow) return;
  followLogs(() => names.map((name) => ({ name })), state);
  await new Promise((resolve) => process.on("SIGINT", resolve));
}

function logNames(state: string): string[] {
  const folder = path.join(state, "logs");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".log"))
    .map((file) => file.slice(0, -".log".length))
    .sort();
}
