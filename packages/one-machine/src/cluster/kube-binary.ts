import path from "node:path";
import { type GoProgram, goProgram, isGoProgramBuilt, requiredVersion } from "../programs/go-program.ts";
import { repositoryRoot } from "../stores/databases.ts";

const moduleFolder = path.join(repositoryRoot, "scripts/cluster/toolchain");

/**
 * One program that is etcd, kube-apiserver, kube-controller-manager or kubectl by its first argument, of the
 * versions that `scripts/cluster/toolchain/go.mod` pins. Built at the first use, which takes minutes, and
 * kept in the user's cache. `environment` is added to the build's own. Throws with what to install where
 * there is no Go.
 */
export function kubeBinary(environment: Readonly<Record<string, string>> = {}): Promise<string> {
  return goProgram(kube(), environment);
}

/** Whether that program is in the cache, so that nothing has to be built. */
export function isKubeBuilt(): boolean {
  return isGoProgramBuilt(kube());
}

/** The version of Kubernetes that is pinned, without its `v`. */
export function kubernetesVersion(): string {
  return requiredVersion(moduleFolder, "k8s.io/kubernetes");
}

function kube(): GoProgram {
  const version = kubernetesVersion();
  const [major = "", minor = ""] = version.split(".");
  const values = {
    // Left alone, the server says that it is v0.0.0, which charts with a minimum version refuse.
    gitVersion: `v${version}`,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: "clean",
    gitCommit: "0".repeat(40),
    buildDate: "1970-01-01T00:00:00Z",
  };
  return {
    name: "kube",
    version,
    moduleFolder,
    package: ".",
    sources: ["main.go"],
    linkerFlags: Object.entries(values).map(
      ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
    ),
    // Collecting less often takes two gibibytes, and a third off the time.
    environment: { GOGC: "400" },
  };
}
