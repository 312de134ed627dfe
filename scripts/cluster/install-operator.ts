import { readFileSync } from "node:fs";
import path from "node:path";
import {
  adminKubeconfig,
  operatorKubeconfig,
  operatorNamespace,
} from "@payflow/one-machine/cluster/cluster.ts";
import { kubeBinary } from "@payflow/one-machine/cluster/kube-binary.ts";
import { kubeconfigText } from "@payflow/one-machine/cluster/kubeconfig.ts";
import { writeWhole } from "@payflow/one-machine/installation/state.ts";
import { runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { YAML } from "bun";

const account = { kind: "ServiceAccount", name: "payflow-operator", namespace: operatorNamespace };
const rbac = "rbac.authorization.k8s.io";
/** The operator reads its kubeconfig anew all the time, and each `up` writes it with a new token. */
const tokenDuration = "8760h";

/**
 * Makes the running cluster in this folder know our kinds and the operator's account, and writes the
 * kubeconfig that the operator comes in by. Doing it again changes nothing but the token.
 */
export async function installOperator(folder: string): Promise<void> {
  const file = (...names: string[]) => path.join(repositoryRoot, ...names);
  await apply(folder, ["-f", file("crds")]);
  await apply(folder, ["-f", file("operator/rbac/operator.yaml"), "-f", file("operator/rbac/users.yaml")]);
  await apply(folder, ["-f", "-"], JSON.stringify(ownObjects()));
  await apply(folder, ["-n", operatorNamespace, "-f", file("operator/rbac/election.yaml")]);
  await kubectl(folder, ["wait", "--for=condition=Established", "--timeout=60s", "-f", file("crds")]);
  const token = await kubectl(folder, [
    ...["create", "token", account.name, "-n", operatorNamespace, "--duration", tokenDuration],
  ]);
  writeKubeconfig(folder, token.trim());
}

function ownObjects() {
  const binding = (kind: "ClusterRoleBinding" | "RoleBinding", name: string, role: string) => ({
    apiVersion: `${rbac}/v1`,
    kind,
    metadata: { name, ...(kind === "RoleBinding" ? { namespace: operatorNamespace } : {}) },
    subjects: [account],
    roleRef: { apiGroup: rbac, kind: role, name },
  });
  return {
    apiVersion: "v1",
    kind: "List",
    items: [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: operatorNamespace } },
      {
        apiVersion: "v1",
        kind: account.kind,
        metadata: { name: account.name, namespace: operatorNamespace },
      },
      binding("ClusterRoleBinding", "payflow-operator", "ClusterRole"),
      binding("RoleBinding", "payflow-operator-election", "Role"),
    ],
  };
}

/** These are ours alone: what somebody changed in them is changed back, and what they say is right. */
async function apply(folder: string, words: readonly string[], input?: string): Promise<void> {
  await kubectl(folder, ["apply", "--server-side", "--force-conflicts", "--validate=false", ...words], input);
}

/** Runs kubectl as somebody who may do everything. Throws what it says where it fails. */
export async function kubectl(folder: string, words: readonly string[], input = ""): Promise<string> {
  const own = ["--kubeconfig", adminKubeconfig(folder), "--cache-dir", path.join(folder, "kubectl")];
  const env = { HOME: folder, PATH: process.env.PATH };
  const command = [await kubeBinary(), "kubectl", ...own, ...words];
  const { exitCode, stdout, stderr } = await runCommand(command, { env, input });
  if (exitCode !== 0) throw new Error(`kubectl ${words[0]} failed: ${stderr.trim()}`);
  return stdout;
}

function writeKubeconfig(folder: string, token: string): void {
  // Written by `Cluster`.
  const { clusters } = YAML.parse(readFileSync(adminKubeconfig(folder), "utf8")) as {
    clusters: [{ cluster: { server: string; "certificate-authority-data": string } }];
  };
  const [{ cluster }] = clusters;
  const text = kubeconfigText({
    server: cluster.server,
    authority: Buffer.from(cluster["certificate-authority-data"], "base64").toString("utf8"),
    user: { token },
    namespace: operatorNamespace,
  });
  writeWhole(operatorKubeconfig(folder), text);
}
