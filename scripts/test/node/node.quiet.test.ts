import { afterAll, beforeAll, describe } from "bun:test";
import { nodeObstacle } from "@payflow/one-machine/cluster/node/obstacle.ts";
import { installTests } from "./install-suite.ts";
import { InstalledPayFlow } from "./installed.ts";
import { loadTests } from "./load-suite.ts";
import { podTests } from "./pod-suite.ts";

const obstacle = nodeObstacle();
if (obstacle !== null) console.log(`Tests of a cluster with a node are skipped. ${obstacle}`);

// One cluster and one release for all of it: either takes a minute of two small processors.
describe.skipIf(obstacle !== null)("on a cluster with a node,", () => {
  let prepared: InstalledPayFlow | undefined;
  const payflow = () => {
    if (prepared === undefined) throw new Error("The cluster did not start.");
    return prepared;
  };

  beforeAll(async () => {
    prepared = await InstalledPayFlow.prepare();
  }, 30 * 60_000);
  afterAll(async () => {
    await prepared?.close();
  }, 120_000);

  podTests(payflow);
  installTests(payflow, () => loadTests(payflow));
});
