import { randomBytes } from "node:crypto";
import path from "node:path";
import { adminKubeconfig } from "@payflow/one-machine/cluster/cluster.ts";
import type { LoadedImage } from "@payflow/one-machine/cluster/node/images.ts";
import { loadIntoNode, NodeCluster } from "@payflow/one-machine/cluster/node/node-cluster.ts";
import { type StoreAddresses, storeAddressesOf } from "@payflow/one-machine/cluster/node/node-stores.ts";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { describeCluster, type TestCluster } from "../kubernetes.ts";
import { beforeRemoval, temporaryFolder } from "../temporary-folder.ts";

/** A cluster of the caller's own that runs pods. */
export interface TestNodeCluster extends TestCluster {
  /** Holds its data and logs. */
  readonly folder: string;
  /** Brings the images of an archive in. */
  load(archive: string): LoadedImage[];
  /** `http://127.0.0.1:port` that leads to an address in the cluster's network: `10.96.7.7:80`. */
  forward(address: string): Promise<string>;
  /** Lets pods reach a port of loopback; the address is what they ask for. */
  expose(port: number): Promise<string>;
  /** How pods reach PostgreSQL, Redis and Kafka. Throws where the cluster has none. */
  stores(): StoreAddresses;
  /** Ends it, with every pod, and leaves nothing but its folder. */
  stop(): Promise<void>;
}

/**
 * Starts a cluster with a node, which takes half a minute and 0.7 GB of memory, with stores 0.5 GB more. It
 * ends with this process. Tests that need one are skipped where `nodeObstacle` names a reason.
 */
export async function testNodeCluster({ hasStores = false } = {}): Promise<TestNodeCluster> {
  const folder = path.join(temporaryFolder(), `node-${randomBytes(4).toString("hex")}`);
  const port = await reservePort();
  const cluster = new NodeCluster({ folder, port, hasStores, isDurable: false, isAudited: true });
  beforeRemoval(() => cluster.killAll());
  await cluster.start();
  return {
    ...describeCluster(adminKubeconfig(folder)),
    folder,
    load: (archive) => loadIntoNode(folder, archive),
    forward: async (address) => `http://127.0.0.1:${await cluster.forward(address)}`,
    expose: (local) => cluster.expose(local),
    stores: () => storeAddressesOf(folder),
    stop: () => cluster.stop(),
  };
}
