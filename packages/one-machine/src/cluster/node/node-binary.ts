import path from "node:path";
import { type GoProgram, goProgram, isGoProgramBuilt, requiredVersion } from "../../programs/go-program.ts";
import { repositoryRoot } from "../../stores/databases.ts";

const moduleFolder = path.join(repositoryRoot, "scripts/cluster/node-toolchain");

/**
 * One program that is kubelet, kube-proxy, kube-scheduler, a name server, and what keeps a node apart from
 * the machine, by its first argument. Built like `kubeBinary`, from the same versions, so that both share
 * what Go has compiled.
 */
export function nodeBinary(environment: Readonly<Record<string, string>> = {}): Promise<string> {
  return goProgram(node(), environment);
}

/** The only program in the image that holds a pod together. */
export function pauseBinary(): Promise<string> {
  return goProgram(pause());
}

/** Whether both are in the cache, so that nothing has to be built. */
export function isNodeBuilt(): boolean {
  return isGoProgramBuilt(node()) && isGoProgramBuilt(pause());
}

const version = () => requiredVersion(moduleFolder, "k8s.io/kubernetes");

function node(): GoProgram {
  const values = { gitVersion: `v${version()}`, gitTreeState: "clean", buildDate: "1970-01-01T00:00:00Z" };
  return {
    name: "kube-node",
    version: version(),
    moduleFolder,
    package: ".",
    sources: ["cgroups.go", "dns.go", "furnish.go", "main.go", "namespaces.go", "relay.go"],
    linkerFlags: Object.entries(values).map(
      ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
    ),
    environment: { GOGC: "400" },
  };
}

function pause(): GoProgram {
  return {
    ...{ name: "pause", version: version(), moduleFolder, package: "./pause" },
    sources: ["pause/main.go"],
  };
}
