import { writeFileSync } from "node:fs";
import path from "node:path";
import { kubeconfigText } from "@payflow/one-machine/cluster/kubeconfig.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import type { ClusterApi } from "./cluster-api.ts";

/** As in a Role: which verbs on which resources. */
export interface AccountRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

export interface WantedAccount {
  readonly namespace: string;
  readonly name: string;
  /** What it may do in its own namespace. */
  readonly rules?: readonly AccountRule[];
  /** What it may do in all namespaces. */
  readonly clusterRules?: readonly AccountRule[];
}

export interface TestServiceAccount {
  /** As RBAC and the audit log name it: `system:serviceaccount:namespace:name`. */
  readonly user: string;
  /** Valid for the API server, for an hour. */
  readonly token: string;
  /** A file with that token; its namespace is the account's. */
  readonly kubeconfig: string;
  /** A token for somebody else than the API server, for an hour when left out. */
  tokenFor(audience: string, expirationSeconds?: number): Promise<string>;
}

const group = "rbac.authorization.k8s.io";

/** Makes the account with its roles, and hands out what it comes in with. */
export async function createServiceAccount(
  api: ClusterApi,
  { namespace, name, rules = [], clusterRules = [] }: WantedAccount,
): Promise<TestServiceAccount> {
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  await api.create(accounts, { metadata: { name } });
  const subjects = [{ kind: "ServiceAccount", name, namespace }];
  const scopes = [
    { kind: "Role", root: `/apis/${group}/v1/namespaces/${namespace}`, own: name, rules },
    { kind: "ClusterRole", root: `/apis/${group}/v1`, own: `${namespace}-${name}`, rules: clusterRules },
  ];
  for (const { kind, root, own, rules: allowed } of scopes.filter((scope) => scope.rules.length > 0)) {
    const plural = kind.toLowerCase();
    await api.create(`${root}/${plural}s`, { metadata: { name: own }, rules: allowed });
    await api.create(`${root}/${plural}bindings`, {
      metadata: { name: own },
      subjects,
      roleRef: { apiGroup: group, kind, name: own },
    });
  }
  const token = async (spec: Readonly<Record<string, unknown>>): Promise<string> =>
    (await api.create(`${accounts}/${name}/token`, { spec })).status.token;
  const own = await token({ expirationSeconds: 3_600 });
  const kubeconfig = path.join(temporaryFolder(), `${namespace}-${name}.kubeconfig`);
  const { server, authority } = api;
  writeFileSync(kubeconfig, kubeconfigText({ server, authority, user: { token: own }, namespace }), {
    mode: 0o600,
  });
  return {
    user: `system:serviceaccount:${namespace}:${name}`,
    token: own,
    kubeconfig,
    tokenFor: (audience, expirationSeconds = 3_600) => token({ audiences: [audience], expirationSeconds }),
  };
}
