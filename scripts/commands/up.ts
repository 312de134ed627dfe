import { clusterFolder } from "@payflow/one-machine/cluster/cluster.ts";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import { checkSettings, mostReplicas } from "@payflow/one-machine/installation/port-plan.ts";
import {
  makeStateFolder,
  readSettings,
  runningRecord,
  type Settings,
} from "@payflow/one-machine/installation/state.ts";
import { Command, Option } from "commander";
import { bringClusterDown, bringClusterUp } from "../cluster/from-outside.ts";
import { installOperator } from "../cluster/install-operator.ts";
import { changeRunning, runDetached } from "../installation/from-outside.ts";
import { detachedVariable, runInForeground } from "../installation/in-foreground.ts";
import { type StateFlag, stateOption, wholeNumber } from "./state-option.ts";

interface UpFlags extends StateFlag {
  readonly detach?: true;
  readonly portBase?: number;
  readonly replicas?: number;
  readonly bus?: Settings["bus"];
  readonly operator?: boolean;
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
    .option(
      "--operator",
      "also run a Kubernetes API, as cluster up does, and the operator that makes tenants of its resources",
    )
    .option("--no-operator", "end both")
    .addOption(stateOption())
    .action(up);
}

async function up(flags: UpFlags): Promise<void> {
  const { state, portBase, replicas, bus, operator } = flags;
  const asked = {
    ...(portBase === undefined ? {} : { portBase }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(bus === undefined ? {} : { bus }),
    ...(operator === undefined ? {} : { operator }),
  };
  const running = runningRecord(state);
  const settings = { ...(running?.settings ?? readSettings(state)), ...asked };
  checkSettings(settings);
  // Whoever has started this supervisor has seen to the cluster, and sees to its end.
  if (process.env[detachedVariable] !== undefined) return runInForeground(state, settings);
  if (settings.operator) await bringOperatorsClusterUp(state);
  if (running !== null) {
    await changeRunning(state, running, asked);
    if (running.settings.operator && !settings.operator) await bringClusterDown(state);
    return;
  }
  makeStateFolder(state);
  try {
    await (flags.detach ? runDetached(state, settings) : runInForeground(state, settings));
  } finally {
    const isRunning = runningRecord(state) !== null;
    if (!isRunning && (settings.operator || readSettings(state).operator)) await bringClusterDown(state);
  }
}

async function bringOperatorsClusterUp(state: string): Promise<void> {
  const description = await bringClusterUp(state);
  await installOperator(clusterFolder(state));
  console.log(`${description}\n`);
}
