import { removeState } from "@payflow/one-machine/installation/remove-state.ts";
import { Command } from "commander";
import { bringClusterDown } from "../cluster/from-outside.ts";
import { bringDown } from "./down.ts";
import { type StateFlag, stateOption } from "./state-option.ts";

interface ResetFlags extends StateFlag {
  readonly yes?: true;
}

export function resetCommand(): Command {
  return new Command("reset")
    .description("Ends every process of an installation and its cluster, and deletes data, secrets and logs.")
    .option("-y, --yes", "really delete them")
    .addOption(stateOption())
    .action(async ({ state, yes }: ResetFlags) => {
      if (!yes)
        throw new Error(`This deletes all payments, events, keys and logs in ${state}. Add --yes to do it.`);
      await bringDown(state);
      await bringClusterDown(state);
      removeState(state);
      console.log(`${state} has been deleted.`);
    });
}
