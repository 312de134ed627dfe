import {
  definedModules,
  definitionsOf,
  helmBinary,
  isHelmBuilt,
  isKubeScoreBuilt,
  isPromtoolBuilt,
  kubeScoreBinary,
  promtoolBinary,
} from "@payflow/one-machine/cluster/chart-tools.ts";
import { isKubeBuilt, kubeBinary } from "@payflow/one-machine/cluster/kube-binary.ts";
import { containerTools, hasContainerTools } from "@payflow/one-machine/cluster/node/container-tools.ts";
import { isNodeBuilt, nodeBinary, pauseBinary } from "@payflow/one-machine/cluster/node/node-binary.ts";
import { nodeObstacle } from "@payflow/one-machine/cluster/node/obstacle.ts";
import { isK6Built, k6Binary } from "../loadtest/k6-binary.ts";
import { buildRelease } from "../release/build-release.ts";
import { actionlintBinary, isActionlintBuilt } from "../test/delivery/actionlint-binary.ts";
import { type Need, needs } from "./needs.ts";

/** What is built or fetched before tests use it, in a process of its own. */
interface Preparation {
  /** Whether that takes no time worth mentioning. */
  isDone(): boolean;
  /** `file`, or a folder of that name, is where the run looks for what is its own, and no cache's. */
  make(file: string): Promise<unknown>;
}

/** All but Kafka, which is no more than a server. */
export type Built = Exclude<Need, "kafka">;

export const isBuilt = (need: Need): need is Built => need !== "kafka";

export const preparations: Readonly<Record<Built, Preparation>> = {
  kubernetes: { isDone: isKubeBuilt, make: () => kubeBinary() },
  node: {
    // Where there can be no node, its tests are skipped.
    isDone: () => nodeObstacle() !== null || (isKubeBuilt() && isNodeBuilt() && hasContainerTools()),
    make: async () => {
      await kubeBinary();
      await nodeBinary();
      await pauseBinary();
      containerTools();
    },
  },
  helm: { isDone: isHelmBuilt, make: () => helmBinary() },
  release: { isDone: () => false, make: (file) => buildRelease(file) },
  "kube-score": { isDone: isKubeScoreBuilt, make: () => kubeScoreBinary() },
  promtool: { isDone: isPromtoolBuilt, make: () => promtoolBinary() },
  definitions: { isDone: () => false, make: () => Promise.all(definedModules.map(definitionsOf)) },
  actionlint: { isDone: isActionlintBuilt, make: () => actionlintBinary() },
  k6: { isDone: isK6Built, make: () => k6Binary() },
};

if (import.meta.main) {
  const [, , given, file = ""] = process.argv;
  const need = needs.filter(isBuilt).find((one) => one === given);
  if (need === undefined) throw new Error(`Nothing is prepared for ${given}.`);
  await preparations[need].make(file);
}
