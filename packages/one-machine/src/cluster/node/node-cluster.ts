import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import type { ProcessSpec } from "../../processes/child.ts";
import { isPortFree, reservePort } from "../../processes/ports.ts";
import { type SupervisedProcess, Supervisor } from "../../processes/supervisor.ts";
import { javaBinary } from "../../stores/kafka/java.ts";
import { kafkaLibraries } from "../../stores/kafka/libraries.ts";
import { postgresBinaries } from "../../stores/postgres-binaries.ts";
import { redisServerBinary } from "../../stores/redis-binary.ts";
import { unprivilegedUser } from "../../stores/system-user.ts";
import { kubeBinary } from "../kube-binary.ts";
import { containerTools } from "./container-tools.ts";
import { type LoadedImage, loadImages } from "./images.ts";
import { containerdSocket, nodeAddress, nodeNetwork } from "./node-address.ts";
import { nodeBinary, pauseBinary } from "./node-binary.ts";
import { cgroupsFile, initFile, readNodeOrder, readyFile, writeNodeOrder } from "./node-order.ts";
import { nodeObstacle } from "./obstacle.ts";

export interface LocalNodeCluster {
  /** Holds data, certificates, logs and what pods write. */
  readonly folder: string;
  /** Of the API, on loopback. */
  readonly port: number;
  /** Whether PostgreSQL, two Redis and Kafka run beside the pods, in their network. */
  readonly hasStores: boolean;
  /** False where only processes die and never the power: then nothing waits for the disk. */
  readonly isDurable: boolean;
  readonly isAudited: boolean;
}

interface Relay {
  readonly name: string;
  readonly listen: string;
  readonly to: string;
  /** Whether connections go into the cluster's network or come out of it. */
  readonly direction: "into" | "out-of";
}

/**
 * A cluster that runs pods, in a network, mounts, processes and cgroups of its own: nothing of it is seen
 * outside but its API's port, and when it ends nothing is left but its folder. Whoever dies, the kernel ends
 * the rest.
 */
export class NodeCluster {
  readonly #local: LocalNodeCluster;
  readonly #supervisor: Supervisor;
  #binary = "";

  constructor(local: LocalNodeCluster, onChange: () => void = () => {}) {
    this.#local = local;
    this.#supervisor = new Supervisor(onChange);
  }

  /** Starts everything and waits until pods can be run. Throws where this machine cannot, and says why. */
  async start(): Promise<void> {
    const obstacle = nodeObstacle();
    if (obstacle !== null) throw new Error(obstacle);
    const { folder, port } = this.#local;
    if (!(await isPortFree(port))) {
      throw new Error(
        `Port ${port}, which the cluster needs, is taken. Choose another with ./payflow cluster up --port.`,
      );
    }
    mkdirSync(path.join(folder, "node"), { recursive: true });
    // PostgreSQL's own account has to get through; the files in there are closed to it.
    for (const each of [folder, path.join(folder, "node")]) chmodSync(each, 0o711);
    await this.#writeOrder();
    await this.#supervisor.start(this.#node(), 300_000);
    const api = `127.0.0.1:${port}`;
    await this.#relay({ name: "relay-api", listen: api, to: api, direction: "into" });
  }

  /** Inside there is no way out, so that whatever has to be built or fetched is so before. */
  async #writeOrder(): Promise<void> {
    this.#binary = await nodeBinary();
    if (this.#local.hasStores) {
      for (const prepare of [postgresBinaries, redisServerBinary, javaBinary, kafkaLibraries]) prepare();
      unprivilegedUser();
    }
    writeNodeOrder({
      ...this.#local,
      kubeBinary: await kubeBinary(),
      nodeBinary: this.#binary,
      pauseBinary: await pauseBinary(),
      tools: containerTools(),
    });
  }

  #node(): ProcessSpec {
    const { folder } = this.#local;
    const inside = [process.execPath, "--no-env-file", path.join(import.meta.dir, "inside.ts"), folder];
    const words = [
      ...["--cgroups", cgroupsFile(folder), "--pid-file", initFile(folder)],
      ...["--state", folder, "--address", nodeNetwork],
    ];
    return {
      name: "node",
      command: [this.#binary, "namespaces", ...words, "--", ...inside],
      env: Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, value ?? ""])),
      cwd: "/",
      logFile: path.join(folder, "logs/node.log"),
      user: null,
      stopSignal: "SIGTERM",
      stopTimeoutMs: 90_000,
      beforeStart: () => {
        rmSync(readyFile(folder), { force: true });
        removeNodeRemains(folder);
      },
      isReady: async () => existsSync(readyFile(folder)),
    };
  }

  async #relay({ name, listen, to, direction }: Relay): Promise<void> {
    const { folder } = this.#local;
    const port = Number(listen.split(":")[1]);
    await this.#supervisor.start({
      name,
      command: [this.#binary, "relay", "--listen", listen, "--to", to, `--${direction}`, initFile(folder)],
      env: {},
      cwd: "/",
      logFile: path.join(folder, "logs", `${name}.log`),
      user: null,
      stopSignal: "SIGTERM",
      stopTimeoutMs: 5_000,
      // Whether a port inside is open cannot be seen from here.
      isReady: async () => direction === "out-of" || !(await isPortFree(port)),
    });
  }

  /** A port of loopback that leads to an address in the cluster's network, such as a service's. */
  async forward(address: string): Promise<number> {
    const port = await reservePort();
    const listen = `127.0.0.1:${port}`;
    await this.#relay({ name: `relay-${port}`, listen, to: address, direction: "into" });
    return port;
  }

  /** Lets pods reach a port of loopback outside; the address is what they ask for. */
  async expose(port: number): Promise<string> {
    const listen = `${nodeAddress}:${port}`;
    await this.#relay({ name: `relay-${port}`, listen, to: `127.0.0.1:${port}`, direction: "out-of" });
    return listen;
  }

  /** Ends everything, and what it kept outside of its folder with it. */
  async stop(): Promise<void> {
    for (const { name } of this.#supervisor.processes().toReversed()) await this.#supervisor.stop(name);
    removeNodeRemains(this.#local.folder);
  }

  /** Kills everything at once, for when this process is about to end by itself. */
  killAll(): void {
    this.#supervisor.killAll();
    removeNodeRemains(this.#local.folder);
  }

  processes(): SupervisedProcess[] {
    return this.#supervisor.processes();
  }
}

/** Brings the images of an archive (OCI or Docker's) into the node of the cluster in this folder. */
export function loadIntoNode(folder: string, archive: string): LoadedImage[] {
  if (!existsSync(initFile(folder)))
    throw new Error("No node is running. Start one with ./payflow cluster up --node.");
  const init = readFileSync(initFile(folder), "utf8");
  return loadImages(
    readNodeOrder(folder).tools,
    `/proc/${init}/root${containerdSocket}`,
    path.resolve(archive),
  );
}

/** Removes what a node that was killed has left outside of its folder: cgroups. */
export function removeNodeRemains(folder: string): void {
  if (!existsSync(cgroupsFile(folder))) return;
  const { nodeBinary: binary } = readNodeOrder(folder);
  const done = spawnSync(binary, ["remove-cgroups", cgroupsFile(folder)]);
  if (done.status !== 0) throw new Error(done.error?.message ?? done.stderr.toString().trim());
}
