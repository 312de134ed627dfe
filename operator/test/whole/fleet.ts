import { eventually } from "@payflow/testkit/eventually.ts";
import { fraudPolicyKind } from "../../src/fraud-policy/fraud-policy.resource.ts";
import type { ResourceKind } from "../../src/kubernetes/objects/object.ts";
import { tenantKind } from "../../src/tenant/tenant.resource.ts";
import { webhookEndpointKind } from "../../src/webhook-endpoint/webhook-endpoint.resource.ts";
import { operatorAccount } from "../setup/definitions.ts";
import type { OperatorProcess } from "../setup/operator-process.ts";
import { conditionOf, type Found } from "../setup/resources.ts";
import type { Workplace } from "../setup/workplace.ts";

/** A policy, a tenant that refers to it and an endpoint of the tenant's. */
export interface Family {
  readonly members: readonly (readonly [ResourceKind, string])[];
  /** The Secrets that the operator makes for them. */
  readonly secrets: readonly string[];
}

let count = 0;

/** Makes one of each kind; what is given of their specs differs from the usual. */
export async function makeFamily(
  { shop }: Workplace,
  specs: { readonly tenant?: object; readonly endpoint?: object } = {},
): Promise<Family> {
  count += 1;
  const [policy, tenant, endpoint] = [`policy-${count}`, `tenant-${count}`, `hook-${count}`];
  await shop.create(fraudPolicyKind, policy, {
    rules: [{ name: "amount_threshold", action: "Block", amount: { maxMinor: 1_000 } }],
  });
  await shop.create(tenantKind, tenant, {
    ...{ displayName: "Acme", contactEmail: "owner@example.com", mode: "test", currency: "INR" },
    ...{ fraudPolicyRef: { name: policy }, ...specs.tenant },
  });
  await shop.create(webhookEndpointKind, endpoint, {
    ...{ tenantRef: { name: tenant }, mode: "test", url: "http://127.0.0.1:9/", events: ["payment.settled"] },
    ...specs.endpoint,
  });
  return {
    members: [
      [fraudPolicyKind, policy],
      [tenantKind, tenant],
      [webhookEndpointKind, endpoint],
    ],
    secrets: [`${tenant}-api-key`, `${endpoint}-signing-secret`],
  };
}

/** Waits until all of them are ready, as they are wanted now. */
export async function settled(place: Workplace, families: readonly Family[], timeoutMs = 150_000) {
  const members = families.flatMap((family) => family.members);
  return eventually(
    () =>
      Promise.all(
        members.map(async ([kind, name]): Promise<Found> => {
          const found = await place.shop.get(kind, name);
          if (conditionOf(found, "Ready")?.status === "True" && found !== undefined) return found;
          throw new Error(`${name} is not ready: ${JSON.stringify(found?.status?.conditions)}`);
        }),
      ),
    { timeoutMs, everyMs: 50 },
  );
}

/** The one that leads. */
export function leaderOf(operators: readonly OperatorProcess[], timeoutMs = 150_000) {
  return eventually(
    async () => {
      for (const one of operators) {
        if (one.isRunning() && !one.isFrozen() && (await one.isLeading())) return one;
      }
      return false;
    },
    { timeoutMs, everyMs: 50 },
  );
}

/** Another account with the same rights, so that the audit log tells its requests apart. */
export async function secondAccount({ cluster, home, namespaces }: Workplace) {
  const namespace = await cluster.namespace("payflow-second");
  const account = await operatorAccount(cluster, { namespace, watched: namespaces.map(({ name }) => name) });
  const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${home}/rolebindings`;
  const answer = await cluster.request("POST", path, {
    metadata: { name: "second" },
    subjects: [{ kind: "ServiceAccount", name: "payflow-operator", namespace }],
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "payflow-operator-election" },
  });
  if (answer.status !== 201) throw new Error(answer.body.message);
  return account;
}
