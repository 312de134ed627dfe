import path from "node:path";
import { kubeBinary } from "@payflow/one-machine/cluster/kube-binary.ts";
import { temporaryFolder } from "../temporary-folder.ts";

export interface KubectlOptions {
  /** Given on its standard input: `apply -f -`. */
  readonly input?: string;
  /** Another user's. */
  readonly kubeconfig?: string;
}

export interface KubectlResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs kubectl; what it remembers of the API goes into this process's own folder. */
export async function runKubectl(
  kubeconfig: string,
  words: readonly string[],
  options: KubectlOptions = {},
): Promise<KubectlResult> {
  const folder = temporaryFolder();
  const child = Bun.spawn(
    [await kubeBinary(), "kubectl", "--cache-dir", path.join(folder, "kubectl"), ...words],
    {
      env: { HOME: folder, PATH: process.env.PATH, KUBECONFIG: options.kubeconfig ?? kubeconfig },
      stdin: new Blob([options.input ?? ""]),
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}
