import { readFileSync } from "node:fs";
import path from "node:path";
import { runCommand } from "../processes/run-command.ts";
import { findGo, requiredVersion } from "./go-program.ts";

/**
 * Fetches a module that the `go.mod` of `moduleFolder` requires, without what it requires itself, and returns
 * the folder of its source. Throws when it is not what `go.sum` says.
 */
export async function goModuleFolder(moduleFolder: string, module: string): Promise<string> {
  const version = `v${requiredVersion(moduleFolder, module)}`;
  const { stdout, stderr } = await runCommand(
    [findGo(module), "mod", "download", "-json", `${module}@${version}`],
    { cwd: moduleFolder, env: { ...process.env, GOTOOLCHAIN: "local", GOFLAGS: "", GOWORK: "off" } },
  );
  const { Dir: folder, Sum: sum, Error: problem = stderr } = stdout === "" ? {} : JSON.parse(stdout);
  if (folder === undefined) throw new Error(`${module} could not be fetched: ${problem.trim()}`);
  const pinned = readFileSync(path.join(moduleFolder, "go.sum"), "utf8").split("\n");
  if (!pinned.includes(`${module} ${version} ${sum}`)) {
    throw new Error(`${module} ${version} is ${sum}, which is not what ${moduleFolder}/go.sum says.`);
  }
  return folder;
}
