import path from "node:path";
import { goModuleFolder } from "../programs/go-module.ts";
import { type GoProgram, goProgram, isGoProgramBuilt, requiredVersion } from "../programs/go-program.ts";
import { repositoryRoot } from "../stores/databases.ts";

const tools = path.join(repositoryRoot, "scripts/cluster/chart-tools");

/**
 * Helm of the version that `scripts/cluster/chart-tools/helm/go.mod` pins, built once through the Go module
 * proxy into the user's cache, which takes minutes. Throws with what to install where there is no Go.
 */
export function helmBinary(environment: Readonly<Record<string, string>> = {}): Promise<string> {
  return goProgram(helm(), environment);
}

/** kube-score, likewise: it looks for what is missing in manifests. */
export function kubeScoreBinary(environment: Readonly<Record<string, string>> = {}): Promise<string> {
  return goProgram(kubeScore(), environment);
}

/** promtool, likewise: it reads alerts as Prometheus does, and tries them on series that are given. */
export function promtoolBinary(environment: Readonly<Record<string, string>> = {}): Promise<string> {
  return goProgram(promtool(), environment);
}

/** Whether Helm is in the cache, so that nothing has to be built. */
export function isHelmBuilt(): boolean {
  return isGoProgramBuilt(helm());
}

/** Whether kube-score is. */
export function isKubeScoreBuilt(): boolean {
  return isGoProgramBuilt(kubeScore());
}

/** Whether promtool is. */
export function isPromtoolBuilt(): boolean {
  return isGoProgramBuilt(promtool());
}

function helm(): GoProgram {
  const moduleFolder = path.join(tools, "helm");
  const version = requiredVersion(moduleFolder, "helm.sh/helm/v4");
  return {
    ...{ name: "helm", version, moduleFolder, package: "helm.sh/helm/v4/cmd/helm" },
    // What `helm version` says, and what charts are told by it.
    linkerFlags: [`-X helm.sh/helm/v4/internal/version.version=v${version}`],
    environment: { GOGC: "400" },
  };
}

function kubeScore(): GoProgram {
  const moduleFolder = path.join(tools, "kube-score");
  const version = requiredVersion(moduleFolder, "github.com/zegl/kube-score");
  return { name: "kube-score", version, moduleFolder, package: "github.com/zegl/kube-score/cmd/kube-score" };
}

function promtool(): GoProgram {
  const moduleFolder = path.join(tools, "promtool");
  const version = requiredVersion(moduleFolder, "github.com/prometheus/prometheus");
  return {
    ...{ name: "promtool", version, moduleFolder },
    package: "github.com/prometheus/prometheus/cmd/promtool",
    // Without the SDKs of the clouds that Prometheus can ask for targets: most of what would be built.
    tags: ["remove_all_sd"],
  };
}

/** Whose resources the chart renders where it is told to: KEDA, the Gateway API, the Prometheus operator. */
export const definedModules = [
  "github.com/kedacore/keda/v2",
  "sigs.k8s.io/gateway-api",
  "github.com/prometheus-operator/prometheus-operator",
] as const;

/**
 * Where a Go module lies that `scripts/cluster/chart-tools/definitions/go.mod` pins: the definitions of its
 * resources come with its source. It is fetched once, through the Go module proxy.
 */
export function definitionsOf(module: string): Promise<string> {
  return goModuleFolder(path.join(tools, "definitions"), module);
}
