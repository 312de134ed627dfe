import { platform } from "@payflow/one-machine/installation/apps.ts";
import { checkSettings, mostReplicas } from "@payflow/one-machine/installation/port-plan.ts";
import {
  makeStateFolder,
  readSettings,
  runningRecord,
  type Settings,
} from "@payflow/one-machine/installation/state.ts";
import { Command, Option } from "commander";
import { changeRunning, runDetached } from "../installation/from-outside.ts";
import { runInForeground } from "../installation/in-foreground.ts";
import { type StateFlag, stateOption, wholeNumber } from "./state-option.ts";

interface UpFlags extends StateFlag {
  readonly detach?: true;
  readonly portBase?: number;
  readonly replicas?: number;
  readonly bus?: Settings["bus"];
}

export function upCommand(): Command {
  const names = platform.apps.map(({ name }) => name).join(", ");
  return new Command("up")
    .description(
      `Starts PostgreSQL, Redis, Kafka if asked for, and the apps (${names}), and shows their logs until Ctrl-C. ` +
        "On a state that runs already, says what runs and applies flags that differ. Flags are remembered.",
    )
    .option("-d, --detach", "come back as soon as everything is ready")
    .option(
      "--port-base <n>",
      "first public port, 3000 at first; internal ones from n + 1000, stores from n + 2000",
      wholeNumber,
    )
    .option("--replicas <n>", `processes of each app, 1 to ${mostReplicas}; 1 at first`, wholeNumber)
    .addOption(
      new Option(
        "--bus <name>",
        "what carries the events between the apps, redis at first; Kafka needs Java 17. " +
          "A change first waits until the old one has been read to its end",
      ).choices(["redis", "kafka"]),
    )
    .addOption(stateOption())
    .action(up);
}

async function up(flags: UpFlags): Promise<void> {
  const { state, portBase, replicas, bus } = flags;
  const asked = {
    ...(portBase === undefined ? {} : { portBase }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(bus === undefined ? {} : { bus }),
  };
  const running = runningRecord(state);
  checkSettings({ ...(running?.settings ?? readSettings(state)), ...asked });
  if (running !== null) return changeRunning(state, running, asked);
  makeStateFolder(state);
  const settings = { ...readSettings(state), ...asked };
  await (flags.detach ? runDetached(state, settings) : runInForeground(state, settings));
}
