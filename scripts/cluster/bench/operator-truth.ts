import { governedId } from "@payflow/contracts/internal-operator.ts";
import { maxVerifyBatch, VerifyKeysAnswer, verifyKeysPath } from "@payflow/contracts/internal-tenant.ts";
import { hashApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { createInternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { type AuditedRequest, isWrite } from "@payflow/testkit/kubernetes/audit-log.ts";
import type { KubernetesObject, ResourceKind } from "../../../operator/src/kubernetes/objects/object.ts";
import { tenantKind } from "../../../operator/src/tenant/tenant.resource.ts";
import type { BenchCheck } from "../../bench/result.ts";
import type { Workplace } from "./workplace.ts";

const secrets: ResourceKind = {
  ...{ group: "", version: "v1", plural: "secrets", kind: "Secret", isNamespaced: true },
};

interface Secret extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** Whether the tenant app lets each key in, as a key of the very tenant that its Secret is for. */
export async function checkKeys({ client, installation }: Workplace): Promise<BenchCheck> {
  const [tenants, kept] = await Promise.all([
    client.list(tenantKind, undefined),
    client.list<Secret>(secrets, undefined, {
      labelSelector: "app.kubernetes.io/managed-by=payflow-operator",
    }),
  ]);
  const byPlace = new Map(kept.items.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one]));
  const wanted = tenants.items.map(({ metadata: { namespace, name, uid } }) => {
    const key = byPlace.get(`${namespace}/${name}-api-key`)?.data?.["api-key"] ?? "";
    return {
      tenantId: governedId("ten", uid ?? ""),
      sha256: hashApiKey(Buffer.from(key, "base64").toString("utf8")),
    };
  });
  const app = createInternalClient({
    ...{ service: "The tenant app", baseUrl: installation.internalUrl("tenant") },
    ...{ secret: installation.secrets.internalServiceSecret, timeoutMs: 30_000 },
  });
  let isRight = wanted.length > 0;
  for (let from = 0; from < wanted.length; from += maxVerifyBatch) {
    const batch = wanted.slice(from, from + maxVerifyBatch);
    const body = { key_sha256: batch.map(({ sha256 }) => sha256) };
    const { keys } = await app.call("POST", verifyKeysPath, body, { answer: VerifyKeysAnswer });
    isRight &&= batch.every(({ tenantId }, index) => keys[index]?.record.tenant_id === tenantId);
  }
  return { name: "every Secret's key is its own tenant's, and is let in", ok: isRight };
}

/** Whether these requests changed nothing but the Lease. */
export function checkQuiet(name: string, requests: readonly AuditedRequest[]): BenchCheck {
  return { name, ok: requests.filter(isWrite).every(({ resource }) => resource === "leases") };
}
