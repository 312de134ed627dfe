import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createInternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { createInternalHttp } from "@payflow/service-kit/http/server.ts";
import { ConfigError } from "@payflow/service-kit/process/config.ts";
import { runService } from "@payflow/service-kit/process/service.ts";
import type { Static } from "@sinclair/typebox";
import { operatorProcessSettings } from "./config.ts";
import { crashAt, noCrash } from "./governing/crash-point.ts";
import { KubernetesClient } from "./kubernetes/client/client.ts";
import { inClusterAccess, kubeconfigAccess } from "./kubernetes/client/cluster-access.ts";
import { createTransport } from "./kubernetes/client/transport.ts";
import type { KubernetesObject, ResourceKind } from "./kubernetes/objects/object.ts";
import { startOperator } from "./operator.ts";

type Config = Static<typeof operatorProcessSettings>;

const namespaces: ResourceKind = {
  ...{ group: "", version: "v1", plural: "namespaces", kind: "Namespace", isNamespaced: false },
};
/** A new tenant may wait behind many others. */
const appTimeoutMs = 10_000;

await runService(
  {
    name: "operator",
    settings: operatorProcessSettings,
    start: async ({ config, logger, metrics }) => {
      const access = await accessOf(config);
      const transport = createTransport({ access, userAgent: "payflow-operator", logger, metrics });
      const client = new KubernetesClient({ transport });
      const namespace = config.OPERATOR_NAMESPACE ?? access.namespace;
      if (namespace === undefined) {
        throw new ConfigError(["OPERATOR_NAMESPACE is missing, and the kubeconfig names no namespace"]);
      }
      const secret = secretOf(config);
      const app = (service: string, baseUrl: string) =>
        createInternalClient({ service, baseUrl, secret, timeoutMs: appTimeoutMs });
      const leaseMs = config.LEASE_SECONDS * 1_000;
      const operator = startOperator({
        ...{ client, namespace, logger, metrics },
        apps: {
          tenant: app("The tenant app", config.TENANT_SERVICE_URL),
          notifier: app("The notifier app", config.NOTIFIER_SERVICE_URL),
          fraud: app("The fraud app", config.FRAUD_SERVICE_URL),
        },
        cluster: config.CLUSTER_NAME ?? (await clusterUid(client)),
        identity: `${config.POD_NAME}_${randomUUID()}`,
        watchNamespaces: (config.WATCH_NAMESPACES ?? "").split(",").flatMap((name) => name.trim() || []),
        resyncMs: config.RESYNC_SECONDS * 1_000,
        deliveryStatusMs: config.DELIVERY_STATUS_SECONDS * 1_000,
        timing: { leaseMs, renewMs: (leaseMs * 2) / 3, everyMs: leaseMs / 6 },
        crash:
          config.OPERATOR_CRASH_AT === undefined
            ? noCrash
            : crashAt(config.OPERATOR_CRASH_AT, config.OPERATOR_CRASH_SIGNAL),
      });
      return {
        internalApp: createInternalHttp({
          ...{ service: "operator", title: "Operator", logger, metrics },
          // It has no routes but health and metrics, which need none.
          internalSecret: randomUUID(),
        }).app(),
        readiness: [{ name: "watches", check: () => requireSynced(operator.isSynced()) }],
        stop: () => operator.stop(),
      };
    },
  },
  process.env,
);

function accessOf({ KUBECONFIG, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT }: Config) {
  if (KUBECONFIG !== undefined) return kubeconfigAccess(KUBECONFIG);
  return inClusterAccess({ host: KUBERNETES_SERVICE_HOST, port: KUBERNETES_SERVICE_PORT });
}

function secretOf({ OPERATOR_TOKEN_FILE, INTERNAL_SERVICE_SECRET }: Config) {
  if (OPERATOR_TOKEN_FILE !== undefined) {
    return async () => (await readFile(OPERATOR_TOKEN_FILE, "utf8")).trim();
  }
  if (INTERNAL_SERVICE_SECRET !== undefined) return INTERNAL_SERVICE_SECRET;
  throw new ConfigError(["OPERATOR_TOKEN_FILE or INTERNAL_SERVICE_SECRET is missing: apps would refuse us"]);
}

async function clusterUid(client: KubernetesClient): Promise<string> {
  const found = await client.get<KubernetesObject>(namespaces, { name: "kube-system" });
  if (found?.metadata.uid === undefined) throw new ConfigError(["CLUSTER_NAME is missing, and kube-system"]);
  return found.metadata.uid;
}

async function requireSynced(isSynced: boolean): Promise<void> {
  if (!isSynced) throw new Error("not everything has been listed yet");
}
