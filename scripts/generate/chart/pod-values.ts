import { Type } from "@sinclair/typebox";
import { closed, count, labels, map, name, oneOfThese, quantity, text } from "./value-schemas.ts";

const amounts = closed({
  cpu: quantity("Processors."),
  memory: quantity("Memory."),
  "ephemeral-storage": quantity("Space on the node's disk."),
});

const secretNames = "SECRET|TOKEN|PASSWORD|ENCRYPTION_KEY|DATABASE_URL|REDIS_URL";
/** What has to agree with ports, Services and other apps, and has values of its own. */
const chartsOwn = [
  "HOST",
  "PORT",
  "INTERNAL_PORT",
  "REPLICA_PORT",
  "EVENT_BUS",
  "INSTALLED_APPS",
  "OPERATOR_.*",
];

/** What can be said of the pods of the operator, and of every app. */
export const operatorPodValues = {
  replicas: count("Pods, where nothing scales them.", { minimum: 0, maximum: 1_000 }),
  resources: closed(
    { requests: amounts, limits: amounts },
    "What a pod asks for and may have at most. There is no limit of processors: it would slow down what others leave free.",
  ),
  maxUnavailable: Type.Union([count("Pods.", { minimum: 1 }), text("A share.", "^([1-9][0-9]?|100)%$")], {
    description:
      "Pods that may be evicted at once, as a number or a share. With none, no node could be drained.",
  }),
  scratchSize: quantity("Of /tmp, the one place where a pod may write."),
  env: Type.Unsafe<Record<string, string>>({
    type: "object",
    description:
      "Further settings, as docs/configuration.md has them, all in quotes. Secrets and what the chart sets are refused.",
    propertyNames: {
      pattern: "^[A-Z][A-Z0-9_]*$",
      not: { pattern: `${secretNames}|^(${chartsOwn.join("|")})$|_SERVICE_URL$` },
    },
    additionalProperties: { type: "string" },
  }),
  podAnnotations: map("Annotations of the pods."),
  podLabels: labels("Labels of the pods besides the chart's own."),
  serviceAccountAnnotations: map("Of the ServiceAccount; clouds give it an identity of theirs by these."),
  priorityClassName: name("The pods' PriorityClass."),
  nodeSelector: map("Labels of the nodes where the pods may run."),
  tolerations: Type.Array(
    closed({
      key: Type.String(),
      operator: oneOfThese(["Exists", "Equal"], "Of Kubernetes."),
      value: Type.String(),
      effect: oneOfThese(["NoSchedule", "PreferNoSchedule", "NoExecute"], "Of Kubernetes."),
      tolerationSeconds: Type.Integer(),
    }),
    { description: "Of Kubernetes." },
  ),
  affinity: closed(
    { nodeAffinity: Type.Object({}), podAffinity: Type.Object({}), podAntiAffinity: Type.Object({}) },
    "Of Kubernetes.",
  ),
  topologySpread: oneOfThese(
    ["ScheduleAnyway", "DoNotSchedule"],
    "Whether pods that cannot be spread over nodes and zones run all the same. DoNotSchedule wants nodes that say " +
      "which zone they are in.",
  ),
};

/** What can be said of the pods of every app, and of each by itself. */
export const podValues = {
  ...operatorPodValues,
  autoscaling: closed(
    {
      kind: oneOfThese(
        ["none", "hpa", "keda"],
        "Nothing, a HorizontalPodAutoscaler, or KEDA, which also counts the events that Kafka has for an app.",
      ),
      minReplicas: count("Pods at least.", { minimum: 1, maximum: 1_000 }),
      maxReplicas: count("Pods at most.", { minimum: 1, maximum: 1_000 }),
      cpuPercent: count("Of the processors asked for; beyond, there will be more pods.", {
        minimum: 1,
        maximum: 1_000,
      }),
      lagEvents: count("Events that wait in Kafka for each pod; beyond, KEDA wants more of them.", {
        minimum: 1,
      }),
    },
    "Where it is not none, `replicas` counts for nothing.",
  ),
  preStopSeconds: count("How long a pod that ends still takes requests, until balancers have seen it go.", {
    minimum: 0,
    maximum: 120,
  }),
};
