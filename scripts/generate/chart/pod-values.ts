import { Type } from "@sinclair/typebox";
import { closed, count, map, name, oneOfThese, quantity, text } from "./value-schemas.ts";

const amounts = closed({
  cpu: quantity("Processors."),
  memory: quantity("Memory."),
  "ephemeral-storage": quantity("Space on the node's disk."),
});

/** What can be said of the pods of every app, and of each by itself. */
export const podValues = {
  replicas: count("Pods, where nothing scales them.", { minimum: 0, maximum: 1_000 }),
  resources: closed(
    { requests: amounts, limits: amounts },
    "What a pod asks for and may have at most. There is no limit of processors: it would slow down what others leave free.",
  ),
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
  maxUnavailable: Type.Union([count("Pods.", { minimum: 0 }), text("A share.", "^[0-9]{1,3}%$")], {
    description: "Pods that may be evicted at once, as a number or a share.",
  }),
  preStopSeconds: count("How long a pod that ends still takes requests, until balancers have seen it go.", {
    minimum: 0,
    maximum: 120,
  }),
  scratchSize: quantity("Of /tmp, the one place where a pod may write."),
  env: Type.Unsafe<Record<string, string>>({
    type: "object",
    description:
      "Further settings, as docs/configuration.md has them, all in quotes. Secrets are refused: they come from Secrets.",
    propertyNames: {
      pattern: "^[A-Z][A-Z0-9_]*$",
      not: { pattern: "SECRET|TOKEN|PASSWORD|ENCRYPTION_KEY|DATABASE_URL|REDIS_URL" },
    },
    additionalProperties: { type: "string" },
  }),
  podAnnotations: map("Annotations of the pods."),
  podLabels: map("Labels of the pods besides the chart's own."),
  serviceAccountAnnotations: map("Of the ServiceAccount; clouds give it an identity of theirs by these."),
  priorityClassName: name("The pods' PriorityClass."),
  nodeSelector: map("Labels of the nodes where the pods may run."),
  tolerations: Type.Array(Type.Object({}), { description: "Of Kubernetes." }),
  affinity: Type.Object({}, { description: "Of Kubernetes." }),
  topologySpread: oneOfThese(
    ["ScheduleAnyway", "DoNotSchedule"],
    "Whether pods that cannot be spread over nodes and zones run all the same.",
  ),
};
