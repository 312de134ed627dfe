import { readFileSync } from "node:fs";
import path from "node:path";
import { writeWhole } from "../../installation/state.ts";
import type { ContainerTools } from "./container-tools.ts";

/** What a node's own process is to run, inside. */
export interface NodeOrder {
  /** Of the whole cluster. */
  readonly folder: string;
  /** Of the API, inside and outside. */
  readonly port: number;
  readonly kubeBinary: string;
  readonly nodeBinary: string;
  readonly pauseBinary: string;
  readonly tools: ContainerTools;
  readonly hasStores: boolean;
  /** False where only processes die and never the power: then nothing waits for the disk. */
  readonly isDurable: boolean;
  readonly isAudited: boolean;
}

const orderFile = (folder: string) => path.join(folder, "node/order.json");
/** Exists while everything inside works. */
export const readyFile = (folder: string) => path.join(folder, "node/ready");
/** Holds the number of the first process inside. */
export const initFile = (folder: string) => path.join(folder, "node/init.pid");
/** Holds the names of the cgroups. */
export const cgroupsFile = (folder: string) => path.join(folder, "node/cgroups");

/** Writes the order where the node's own process looks for it. */
export function writeNodeOrder(order: NodeOrder): void {
  writeWhole(orderFile(order.folder), JSON.stringify(order));
}

/** The order of a cluster's folder. Throws before the first start. */
export function readNodeOrder(folder: string): NodeOrder {
  return JSON.parse(readFileSync(orderFile(folder), "utf8"));
}
