import { existsSync, lstatSync, readlinkSync, rmSync } from "node:fs";
import path from "node:path";
import { clusterFolder } from "../cluster/cluster.ts";
import { outsideRoot } from "../stores/postgres.ts";

/** Removes a state folder and the PostgreSQL data that it links to. Nothing may be running on it. */
export function removeState(state: string): void {
  // A mistyped path must not cost anyone another folder.
  const isOurs = existsSync(path.join(state, "secrets.json")) || existsSync(clusterFolder(state));
  if (!isOurs) {
    throw new Error(`${state} is no state folder of PayFlow, so it is left alone.`);
  }
  const data = path.join(state, "postgres");
  if (lstatSync(data, { throwIfNoEntry: false })?.isSymbolicLink()) {
    const outside = path.dirname(readlinkSync(data));
    if (path.dirname(outside) === outsideRoot) rmSync(outside, { recursive: true, force: true });
  }
  rmSync(state, { recursive: true, force: true });
}
