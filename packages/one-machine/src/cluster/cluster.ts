import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isPortFree } from "../processes/ports.ts";
import { type SupervisedProcess, Supervisor } from "../processes/supervisor.ts";
import type { KeyPair } from "../programs/openssl.ts";
import { clusterCertificates } from "./certificates.ts";
import {
  type ClusterPart,
  type ClusterPorts,
  clusterParts,
  clusterProcess,
  type LocalCluster,
} from "./control-plane.ts";
import { kubeconfigText } from "./kubeconfig.ts";

/** The folder in a state folder that belongs to its Kubernetes API, which is started and ended by itself. */
export const clusterFolder = (state: string) => path.join(state, "cluster");

/** The kubeconfig of somebody whom the cluster in this folder allows everything. */
export const adminKubeconfig = (folder: string) => path.join(folder, "admin.kubeconfig");

/** The kubeconfig of the operator that `./payflow up` runs, with its own account. */
export const operatorKubeconfig = (folder: string) => path.join(folder, "operator.kubeconfig");

/** Where that operator's account and Lease are. */
export const operatorNamespace = "payflow-system";

/** The ports of a cluster, from that of its API on. */
export function clusterPorts(api: number): ClusterPorts {
  return { api, controllerManager: api + 1, etcd: api + 2, etcdPeers: api + 3 };
}

/**
 * A Kubernetes API with its store and its controllers, as children of this process. There are no nodes, so
 * that nothing runs in it; everything that is an object works as anywhere.
 */
export class Cluster {
  readonly #local: LocalCluster;
  readonly #supervisor: Supervisor;
  #isStopping = false;
  /** The start under way, or the last one. */
  #work: Promise<void> = Promise.resolve();

  constructor(local: LocalCluster, onChange: () => void = () => {}) {
    this.#local = local;
    this.#supervisor = new Supervisor(onChange);
  }

  get server(): string {
    return `https://127.0.0.1:${this.#local.ports.api}`;
  }

  /** Starts all parts and waits until they work. When one fails, ends the others and says why. */
  start(): Promise<void> {
    this.#work = this.#start();
    return this.#work;
  }

  async #start(): Promise<void> {
    const { folder, ports } = this.#local;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const port of Object.values(ports)) {
      if (!(await isPortFree(port))) {
        throw new Error(
          `Port ${port}, which the cluster needs, is taken. Choose others with ./payflow cluster up --port.`,
        );
      }
    }
    this.#writeKubeconfigs();
    try {
      for (const part of clusterParts) {
        if (this.#isStopping) throw new Error("The cluster is being ended.");
        await this.startPart(part);
      }
    } catch (error) {
      await this.#endParts();
      throw error;
    }
  }

  /** Ends everything, the store last, also in the middle of starting. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#endParts();
    // What was being started fails now; only then is it certain that nothing comes after.
    await this.#work.catch(() => {});
    await this.#endParts();
    this.#isStopping = false;
  }

  async #endParts(): Promise<void> {
    for (const part of clusterParts.toReversed()) await this.#supervisor.stop(part);
  }

  async startPart(part: ClusterPart): Promise<void> {
    await this.#supervisor.start(clusterProcess(this.#local, part), 120_000);
  }

  /** Ends a part and leaves it ended until `startPart`. */
  async stopPart(part: ClusterPart, signal?: NodeJS.Signals): Promise<void> {
    await this.#supervisor.stop(part, signal);
  }

  /** Sends a signal to a part; one that ends by it is started again. */
  kill(part: ClusterPart, signal: NodeJS.Signals): void {
    this.#supervisor.kill(part, signal);
  }

  /** Kills everything at once without waiting, for when this process is about to end by itself. */
  killAll(): void {
    this.#supervisor.killAll();
  }

  processes(): SupervisedProcess[] {
    return this.#supervisor.processes();
  }

  #writeKubeconfigs(): void {
    const { folder } = this.#local;
    const { authority, admin, controllerManager } = clusterCertificates(path.join(folder, "certificates"));
    const write = (file: string, user: KeyPair) => {
      const access = { server: this.server, authority: readFileSync(authority, "utf8"), user };
      writeFileSync(file, kubeconfigText(access), { mode: 0o600 });
      chmodSync(file, 0o600);
    };
    write(adminKubeconfig(folder), admin);
    write(path.join(folder, "controller-manager.kubeconfig"), controllerManager);
  }
}
