import { existsSync } from "node:fs";
import { endLeftovers, readSettings, runningRecord } from "@payflow/one-machine/installation/state.ts";
import { endProcess } from "@payflow/one-machine/processes/child.ts";
import { Command } from "commander";
import { bringClusterDown } from "../cluster/from-outside.ts";
import { type StateFlag, stateOption } from "./state-option.ts";

/** The supervisor gives apps 27 seconds and then the stores 30. */
const supervisorTimeoutMs = 65_000;

export function downCommand(): Command {
  return new Command("down")
    .description(
      "Ends every process of an installation, and the operator's cluster; the data stay for the next up.",
    )
    .addOption(stateOption())
    .action(async ({ state }: StateFlag) => {
      console.log(
        (await bringDown(state)) ? "Everything has ended. The data are kept." : "Nothing is running.",
      );
    });
}

/** Ends the supervisor, or what a killed one left. Answers whether there was anything to end. */
export async function bringDown(state: string): Promise<boolean> {
  if (!existsSync(state)) return false;
  const running = runningRecord(state);
  if (running !== null) await endProcess(running.supervisor, "SIGTERM", supervisorTimeoutMs);
  await endLeftovers(state);
  const hadCluster = readSettings(state).operator && (await bringClusterDown(state));
  return running !== null || hadCluster;
}
