import path from "node:path";
import {
  type GoProgram,
  goProgram,
  isGoProgramBuilt,
  requiredVersion,
} from "@payflow/one-machine/programs/go-program.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";

const moduleFolder = path.join(repositoryRoot, "loadtest/tools");
const modulePath = "go.k6.io/k6/v2";

/**
 * k6 of the version that `loadtest/tools/go.mod` pins, built once through the Go module proxy into the user's
 * cache. `environment` is added to the build's own. Throws with what to install where there is no Go.
 */
export function k6Binary(environment: Readonly<Record<string, string>> = {}): Promise<string> {
  return goProgram(k6(), environment);
}

/** Whether k6 is in the cache, so that nothing has to be built. */
export function isK6Built(): boolean {
  return isGoProgramBuilt(k6());
}

/** The version of k6 that is pinned, without its `v`. */
export function pinnedVersion(): string {
  return requiredVersion(moduleFolder, modulePath);
}

function k6(): GoProgram {
  return { name: "k6", version: pinnedVersion(), moduleFolder, package: modulePath };
}
