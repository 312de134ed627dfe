import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/** What each pod's share of the machine is held by. */
const neededControllers = ["cpu", "memory", "pids"];

/** Why this machine cannot run a node, in words for a user; null where it can. */
export function nodeObstacle(): string | null {
  if (process.platform !== "linux") return "A node needs Linux.";
  if (process.getuid?.() !== 0) return "A node needs root: it makes namespaces, cgroups and mounts.";
  const missing = neededControllers.filter((name) => !availableControllers().has(name));
  if (missing.length > 0)
    return `A node needs cgroups, and this machine gives none for ${missing.join(", ")}.`;
  if (!/\boverlay$/m.test(readFileSync("/proc/filesystems", "utf8"))) {
    return "A node needs the overlay file system, which this kernel lacks or has not loaded (modprobe overlay).";
  }
  if (!existsSync("/proc/sys/net/bridge/bridge-nf-call-iptables")) {
    return "A node needs bridges that are filtered, which this kernel lacks or has not loaded (modprobe br_netfilter).";
  }
  return namespaceObstacle();
}

/** Root inside a container often lacks what root of the machine may do; only trying tells. */
function namespaceObstacle(): string | null {
  const kinds = ["--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup", "--fork"];
  const tried = spawnSync("unshare", [...kinds, "mount", "-t", "tmpfs", "tmpfs", "/sys/fs/cgroup"]);
  if (tried.error !== undefined) return "A node needs unshare, which is in the package util-linux.";
  if (tried.status === 0) return null;
  return `A node needs namespaces of its own: ${tried.stderr.toString().trim()}.`;
}

function availableControllers(): ReadonlySet<string> {
  const second = "/sys/fs/cgroup/cgroup.controllers";
  if (existsSync(second)) return new Set(readFileSync(second, "utf8").trim().split(" "));
  const first = readFileSync("/proc/self/cgroup", "utf8").trim().split("\n");
  const names = first.flatMap((line) => line.split(":")[1]?.split(",") ?? []);
  return new Set(names.filter((name) => existsSync(`/sys/fs/cgroup/${name}`)));
}
