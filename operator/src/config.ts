import { processSettings, setting } from "@payflow/service-kit/process/config.ts";
import { Type } from "@sinclair/typebox";

const names = "^[a-z0-9-]{1,63}( *, *[a-z0-9-]{1,63})*$";

/** Everything the operator reads from its environment. */
export const operatorProcessSettings = Type.Object({
  ...processSettings,
  INTERNAL_PORT: setting.integer("The port for health and metrics.", 4_010, { minimum: 1, maximum: 65_535 }),
  KUBECONFIG: setting.optional(
    setting.text("The kubeconfig of a process outside of the cluster; the pod's own account when left out."),
  ),
  KUBERNETES_SERVICE_HOST: setting.text("The cluster's API, as the kubelet tells it.", "kubernetes.default"),
  KUBERNETES_SERVICE_PORT: setting.text("Its port.", "443"),
  OPERATOR_NAMESPACE: setting.optional(
    setting.text("Where the Lease is; the account's own namespace when left out.", undefined, {
      pattern: "^[a-z0-9-]{1,63}$",
    }),
  ),
  POD_NAME: setting.text("Who this replica is, for people.", "operator"),
  WATCH_NAMESPACES: setting.optional(
    setting.text("The namespaces to work in, by comma; all of them when left out.", undefined, {
      pattern: names,
    }),
  ),
  CLUSTER_NAME: setting.optional(
    setting.text(
      "What tells this cluster from others with the same apps, for good: what it made belongs to that name. " +
        "The uid of kube-system when left out.",
      undefined,
      { pattern: "^[\\w.-]{1,253}$" },
    ),
  ),
  TENANT_SERVICE_URL: setting.url("The tenant app's internal base URL.", "http://127.0.0.1:4003"),
  NOTIFIER_SERVICE_URL: setting.url("The notifier app's internal base URL.", "http://127.0.0.1:4002"),
  FRAUD_SERVICE_URL: setting.url("The fraud app's internal base URL.", "http://127.0.0.1:4004"),
  INTERNAL_SERVICE_SECRET: setting.optional(
    setting.secret("What the apps know the operator by, unless it has a token for them.", 32),
  ),
  OPERATOR_TOKEN_FILE: setting.optional(
    setting.text("The operator's ServiceAccount token for the apps, where it has one; read anew each time."),
  ),
  RESYNC_SECONDS: setting.integer("How often everything is compared although nothing changed.", 600, {
    minimum: 1,
    maximum: 86_400,
  }),
  DELIVERY_STATUS_SECONDS: setting.integer(
    "How often the status tells of an endpoint's deliveries, and of fraud's replicas, at most.",
    60,
    { minimum: 1, maximum: 3_600 },
  ),
  LEASE_SECONDS: setting.integer("How long others wait for a leader that is gone.", 15, {
    minimum: 2,
    maximum: 300,
  }),
  OPERATOR_CRASH_AT: setting.optional(
    setting.text("For tests: ends or freezes the process whenever it has just done this."),
  ),
  OPERATOR_CRASH_SIGNAL: setting.choice(["SIGKILL", "SIGSTOP"], "For tests: by which signal.", "SIGKILL"),
});
