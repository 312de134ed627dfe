import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { InvalidArgumentError, Option } from "commander";

export interface StateFlag {
  readonly state: string;
}

const defaultStateFolder = path.join(repositoryRoot, ".payflow");

/**
 * `--state DIR`: where one installation keeps its data, secrets and logs; relative to where the command is
 * run.
 */
export function stateOption(): Option {
  return new Option("--state <dir>", "folder with the installation's data, secrets and logs")
    .default(defaultStateFolder, ".payflow in the checkout")
    .argParser((folder) => path.resolve(folder));
}

/** The flag as commands for this folder need it, after a space; empty for the default. */
export function stateFlag(state: string): string {
  return state === defaultStateFolder ? "" : ` --state ${Bun.$.escape(state)}`;
}

/** Reads a flag that is a whole number. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}
