import path from "node:path";
import {
  type GoProgram,
  goProgram,
  isGoProgramBuilt,
  requiredVersion,
} from "@payflow/one-machine/programs/go-program.ts";

const moduleFolder = path.join(import.meta.dir, "actionlint");
const module = "github.com/rhysd/actionlint";

/** actionlint of the version that `actionlint/go.mod` pins, built once into the user's cache. */
export function actionlintBinary(): Promise<string> {
  return goProgram(actionlint());
}

/** Whether it is in the cache, so that nothing has to be built. */
export function isActionlintBuilt(): boolean {
  return isGoProgramBuilt(actionlint());
}

function actionlint(): GoProgram {
  const version = requiredVersion(moduleFolder, module);
  return { name: "actionlint", version, moduleFolder, package: `${module}/cmd/actionlint` };
}
