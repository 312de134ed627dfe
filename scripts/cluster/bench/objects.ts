import { fraudPolicyKind } from "../../../operator/src/fraud-policy/fraud-policy.resource.ts";
import {
  apiVersionOf,
  type KubernetesObject,
  type ResourceKind,
} from "../../../operator/src/kubernetes/objects/object.ts";
import { tenantKind } from "../../../operator/src/tenant/tenant.resource.ts";
import { webhookEndpointKind } from "../../../operator/src/webhook-endpoint/webhook-endpoint.resource.ts";

export const kinds = [tenantKind, webhookEndpointKind, fraudPolicyKind] as const;

/** An object to be made, and of which kind. */
export interface Planned {
  readonly kind: ResourceKind;
  readonly object: KubernetesObject;
}

/** The namespaces of ten teams. */
export const teams = Array.from({ length: 10 }, (_, index) => `team-${index}`);

/** Twenty tenants a policy, an endpoint a tenant, in the namespaces of ten teams. */
export function planned(tenants: number): Planned[] {
  const policies = Math.ceil(tenants / 20);
  return [
    ...Array.from({ length: policies }, (_, index) => policy(index)),
    ...Array.from({ length: tenants }, (_, index) => tenant(`tenant-${index}`, index, policies)),
    ...Array.from({ length: tenants }, (_, index) => endpoint(index, policies)),
  ];
}

/** One team has whole policies, so that a tenant and its policy share a namespace. */
const teamOf = (index: number, policies: number) => teams[(index % policies) % teams.length];

function made(kind: ResourceKind, namespace: string | undefined, name: string, spec: object): Planned {
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  const object = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata, spec };
  return { kind, object };
}

function policy(index: number): Planned {
  return made(fraudPolicyKind, teams[index % teams.length], `policy-${index}`, {
    thresholds: { review: 60, block: 90 },
    rules: [
      { name: "velocity_check", action: "Block", count: { key: "Card", windowSeconds: 60, limit: 10 } },
      { name: "amount_threshold", action: "Review", amount: { currency: "INR", maxMinor: 500_000 } },
    ],
    tests: [
      { name: "an ordinary payment", payment: { amountMinor: 100, currency: "INR" }, expect: "Allow" },
      { name: "a large payment", payment: { amountMinor: 500_001, currency: "INR" }, expect: "Review" },
    ],
  });
}

/** A tenant of one of so many policies. */
export function tenant(name: string, index: number, policies: number): Planned {
  return made(tenantKind, teamOf(index, policies), name, {
    displayName: `Shop ${index}`,
    contactEmail: `shop-${index}@example.com`,
    mode: "live",
    currency: "INR",
    fraudPolicyRef: { name: `policy-${index % policies}` },
  });
}

function endpoint(index: number, policies: number): Planned {
  return made(webhookEndpointKind, teamOf(index, policies), `endpoint-${index}`, {
    tenantRef: { name: `tenant-${index}` },
    mode: "live",
    url: `https://shop-${index}.example.com/hooks`,
    events: ["payment.settled", "refund.settled"],
  });
}

/** A Secret of the size of a tenant's, for kubectl to apply. */
export function secretLike(index: number) {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: `secret-${index}`, namespace: "baseline" },
    data: {
      "api-key": Buffer.from(`pfk_live_${"x".repeat(38)}`).toString("base64"),
      "tenant-id": Buffer.from(`ten_${index}`).toString("base64"),
    },
  };
}
