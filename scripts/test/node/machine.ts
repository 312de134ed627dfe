import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { cgroupsFile, initFile } from "@payflow/one-machine/cluster/node/node-order.ts";
import { identify, type ProcessIdentity } from "@payflow/one-machine/processes/child.ts";

/** What a node could change on a machine for everybody. */
export interface MachineState {
  readonly mounts: readonly string[];
  readonly networkLinks: readonly string[];
  readonly kernelSettings: readonly string[];
  /** Where containerd, the kubelet and network plugins usually keep things. */
  readonly usualFolders: readonly string[];
}

const settings = ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"];

/** The machine as everybody sees it now. */
export function machineState(): MachineState {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n");
  return {
    mounts: mounts.map((line) => line.split(" ").slice(3).join(" ")).sort(),
    networkLinks: readdirSync("/sys/class/net").sort(),
    kernelSettings: settings.map((name) => `${name}=${readFileSync(`/proc/sys/${name}`, "utf8").trim()}`),
    usualFolders: ["/var/lib", "/run", "/etc", "/opt"].flatMap((root) =>
      readdirSync(root)
        .filter((name) => /^(cni|kubelet|containerd|netns|pod-addresses|kubernetes)$/.test(name))
        .map((name) => path.join(root, name)),
    ),
  };
}

/** What a running node has of its own. */
export interface NodeBelongings {
  /** As `/proc/<process>/ns` names them. */
  readonly namespaces: readonly string[];
  readonly cgroups: readonly string[];
}

const kinds = ["net", "mnt", "pid", "ipc", "uts", "cgroup"];

/** Looks at the node that runs in this cluster's folder. */
export function nodeBelongings(folder: string): NodeBelongings {
  const init = readFileSync(initFile(folder), "utf8");
  return {
    namespaces: kinds.map((kind) => readlinkSync(`/proc/${init}/ns/${kind}`)),
    cgroups: readFileSync(cgroupsFile(folder), "utf8").trim().split("\n"),
  };
}

/** What of it is still there: processes by their commands, and cgroups. */
export function remains(own: NodeBelongings): string[] {
  const commands = nodeProcesses(own).map(({ pid }) => commandOf(pid));
  return [...commands, ...own.cgroups.filter((folder) => existsSync(folder))];
}

/** A process by its number and its program, with what it does just now. */
export function commandOf(pid: number): string {
  const state = /^State:\s+(.*)$/m.exec(readQuietly(`/proc/${pid}/status`))?.[1];
  return `${pid} ${readQuietly(`/proc/${pid}/comm`)} ${state}`;
}

/** Who is in its namespaces now; the kernel gives the numbers of those that have ended to later ones. */
export function nodeProcesses({ namespaces }: NodeBelongings): ProcessIdentity[] {
  const numbers = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isIn(name, namespaces));
  return numbers.flatMap((pid) => identify(Number(pid)) ?? []);
}

/** False for a process that has ended in the meantime. */
function isIn(pid: string, namespaces: readonly string[]): boolean {
  return kinds.some((kind) => {
    try {
      return namespaces.includes(readlinkSync(`/proc/${pid}/ns/${kind}`));
    } catch {
      return false;
    }
  });
}

function readQuietly(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}
