import path from "node:path";
import { kubeBinary } from "@payflow/one-machine/cluster/kube-binary.ts";
import { type CommandResult, runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { temporaryFolder } from "../temporary-folder.ts";

export interface KubectlOptions {
  /** Given on its standard input: `apply -f -`. */
  readonly input?: string;
  /** Another user's. */
  readonly kubeconfig?: string;
}

/** Runs kubectl; what it remembers of the API goes into this process's own folder. */
export async function runKubectl(
  kubeconfig: string,
  words: readonly string[],
  options: KubectlOptions = {},
): Promise<CommandResult> {
  const folder = temporaryFolder();
  const env = { HOME: folder, PATH: process.env.PATH, KUBECONFIG: options.kubeconfig ?? kubeconfig };
  const command = [await kubeBinary(), "kubectl", "--cache-dir", path.join(folder, "kubectl"), ...words];
  return runCommand(command, { env, input: options.input ?? "" });
}
