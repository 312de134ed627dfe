import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import type { TestCluster } from "@payflow/testkit/kubernetes.ts";

const repository = path.join(import.meta.dir, "../../..");
const rbac = "/apis/rbac.authorization.k8s.io/v1";

/** Makes the API server know our kinds, as an owner would. Doing it twice, or at once, is no harm. */
export async function installDefinitions(cluster: TestCluster): Promise<void> {
  await applied(cluster, ["--server-side", "-f", path.join(repository, "crds")]);
  const names = ["tenants", "webhookendpoints", "fraudpolicies"];
  await eventually(
    async () => {
      const found = await Promise.all(
        names.map((name) => cluster.request("GET", `/apis/payflow.dev/v1alpha1/${name}`)),
      );
      return found.every(({ status }) => status === 200);
    },
    { timeoutMs: 150_000 },
  );
}

/**
 * An account with the operator's own roles and no others, for the operator that has its Lease in `namespace`
 * and works in those that are watched, or in all.
 */
export async function operatorAccount(
  cluster: TestCluster,
  { namespace, watched }: { readonly namespace: string; readonly watched?: readonly string[] },
) {
  const roles = path.join(repository, "operator/rbac");
  await applied(cluster, ["--server-side", "-f", path.join(roles, "operator.yaml")]);
  await applied(cluster, ["--server-side", "-n", namespace, "-f", path.join(roles, "election.yaml")]);
  const account = await cluster.serviceAccount({ namespace, name: "payflow-operator" });
  const bind = async (scope: string, roleKind: "Role" | "ClusterRole", role: string) => {
    const isClusterWide = scope === "";
    const at = isClusterWide ? `${rbac}/clusterrolebindings` : `${rbac}/namespaces/${scope}/rolebindings`;
    const answer = await cluster.request("POST", at, {
      metadata: { name: `${role}-of-${namespace}` },
      subjects: [{ kind: "ServiceAccount", name: "payflow-operator", namespace }],
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: roleKind, name: role },
    });
    if (answer.status !== 201) throw new Error(`${at}: ${answer.body.message}`);
  };
  await bind(namespace, "Role", "payflow-operator-election");
  for (const scope of watched ?? [""]) await bind(scope, "ClusterRole", "payflow-operator");
  return account;
}

async function applied(cluster: TestCluster, words: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await cluster.kubectl(["apply", ...words]);
  if (exitCode !== 0) throw new Error(stderr);
}
