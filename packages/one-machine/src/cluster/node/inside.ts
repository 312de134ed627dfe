import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Supervisor } from "../../processes/supervisor.ts";
import { clusterCertificates } from "../certificates.ts";
import { Cluster } from "../cluster.ts";
import type { LocalCluster } from "../control-plane.ts";
import { loadImages, writePauseImage } from "./images.ts";
import { containerdSocket, nodeAddress } from "./node-address.ts";
import { type NodeOrder, readNodeOrder, readyFile } from "./node-order.ts";
import { nodeParts } from "./node-parts.ts";
import { makeDatabases, storePasswords, storeProcesses } from "./node-stores.ts";

/** As supervisors take it: starting again cannot mend it. */
const givesUp = 78;

/** Runs the API, the node and the stores of a cluster, in the namespaces that this process is in. */
class Inside {
  readonly #order: NodeOrder;
  readonly #cluster: Cluster;
  readonly #node = new Supervisor();
  readonly #stores = new Supervisor();

  constructor(order: NodeOrder) {
    this.#order = order;
    this.#cluster = new Cluster(localCluster(order));
  }

  async start(): Promise<void> {
    const { folder, hasStores } = this.#order;
    mkdirSync(path.join(folder, "node"), { recursive: true });
    const parts = nodeParts({
      folder,
      server: this.#cluster.server,
      binary: this.#order.nodeBinary,
      tools: this.#order.tools,
    });
    const containers = this.#node.start(parts.containerd).then(() => this.#loadPauseImage());
    const work = async () => {
      await this.#cluster.start();
      await containers;
      const rest = [parts.scheduler, parts.nameServer, parts.kubelet, parts.proxy];
      await Promise.all(rest.map((part) => this.#node.start(part, 120_000)));
    };
    await Promise.all([containers, work(), hasStores ? this.#startStores() : undefined]);
    writeFileSync(readyFile(folder), "");
  }

  #loadPauseImage(): void {
    const { folder, pauseBinary, tools } = this.#order;
    const archive = path.join(folder, "node/pause.tar");
    writePauseImage(pauseBinary, archive);
    loadImages(tools, containerdSocket, archive);
  }

  async #startStores(): Promise<void> {
    const { folder, isDurable } = this.#order;
    const passwords = storePasswords(folder);
    const start = async (processes: ReturnType<typeof storeProcesses>) => {
      await Promise.all(processes.map((one) => this.#stores.start(one, 120_000)));
    };
    await start(storeProcesses(folder, passwords, isDurable));
    await makeDatabases(passwords);
  }

  /** Ends what would lose by a kill; the rest ends with the namespaces. */
  async stop(): Promise<void> {
    if (!this.#order.isDurable) return;
    const end = (supervisor: Supervisor) =>
      Promise.all(supervisor.processes().map(({ name }) => supervisor.stop(name)));
    await end(this.#node);
    await end(this.#stores);
    await this.#cluster.stop();
  }
}

function localCluster({ folder, port, kubeBinary, isDurable, isAudited }: NodeOrder): LocalCluster {
  const { authority, admin } = clusterCertificates(path.join(folder, "certificates"));
  return {
    ...{ folder, binary: kubeBinary, isDurable, isAudited },
    // Nobody else's are in this network.
    ports: { api: port, controllerManager: 10_257, etcd: 2_379, etcdPeers: 2_380 },
    flags: {
      "kube-apiserver": {
        // Pods come by the node's address, to which the service `kubernetes` leads.
        "bind-address": "0.0.0.0",
        "advertise-address": nodeAddress,
        "endpoint-reconciler-type": "lease",
        "kubelet-preferred-address-types": "InternalIP",
        "kubelet-certificate-authority": authority,
        "kubelet-client-certificate": admin.certificate,
        "kubelet-client-key": admin.key,
      },
    },
  };
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => resolve());
  });
}

async function main(): Promise<void> {
  const inside = new Inside(readNodeOrder(process.argv[2] ?? ""));
  const end = signalled();
  try {
    await Promise.race([inside.start(), end]);
    await end;
    await inside.stop();
    process.exit(0);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(givesUp);
  }
}

if (import.meta.main) await main();
