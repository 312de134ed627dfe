import path from "node:path";
import { examples, leastValues, type Values } from "./chart.ts";

export interface ValueSet {
  readonly name: string;
  readonly values: Values;
  readonly files?: readonly string[];
}

const apps = ["payment", "ledger", "notifier", "tenant", "fraud", "ingest"];
const digest = `sha256:${"ab".repeat(32)}`;
const kafka = (more: Values) => ({ kafka: { ...leastValues.kafka, ...more } });
const everyPod = (settings: Values) => ({ ...leastValues, defaults: settings });
const file = (name: string) => path.join(examples, "values", `${name}.yaml`);
const gateway = { enabled: true, parentRefs: [{ name: "public", namespace: "gateways" }] };
const peer = { namespaceSelector: { matchLabels: { team: "edge" } } };
const term = { matchExpressions: [{ key: "disk", operator: "In", values: ["ssd"] }] };

const plain: Readonly<Record<string, Values>> = {
  "the least": leastValues,
  "redis as the bus": { eventBus: "redis" },
  "a trial": { dev: { enabled: true }, eventBus: "redis" },
  "a trial with kafka": { dev: { enabled: true, kafka: { enabled: true } } },
  "a trial on a storage class": { dev: { enabled: true, storageClass: "fast" }, eventBus: "redis" },
  "a trial without network policies": {
    ...{ dev: { enabled: true }, eventBus: "redis", networkPolicy: { enabled: false } },
  },
  "a digest": { ...leastValues, image: { repository: "registry.example:5000/payflow", digest } },
  "a tag and pull secrets": {
    ...leastValues,
    image: { tag: "1.2.3", pullPolicy: "Always", pullSecrets: ["registry"] },
  },
  "another full name": { ...leastValues, fullnameOverride: "money" },
  "labels for all": { ...leastValues, commonLabels: { "cost-center": "42", team: "all" } },
  "kafka by tls": kafka({ tls: { enabled: true } }),
  "kafka with an authority": kafka({ tls: { enabled: true, secret: "kafka-tls" } }),
  "kafka with client certificates": kafka({ tls: { secret: "kafka-tls", clientCertificate: true } }),
  "kafka with scram": {
    ...kafka({ sasl: { mechanism: "scram-sha-256" } }),
    secrets: { kafka: "kafka-user" },
  },
  "kafka shared": kafka({ prefix: "payflow.", partitions: 48, replication: 2, retentionHours: 24 }),
  "secrets by other names": {
    ...leastValues,
    secrets: { platform: "a", postgresql: "b", redis: "c", revision: "2" },
  },
  "further authorities": { ...leastValues, certificates: { configMap: "authorities", key: "all.pem" } },
  tracing: { ...leastValues, tracing: { endpoint: "http://collector.tracing:4318" }, logLevel: "debug" },
  ipv6: { ...leastValues, listenAddress: "::" },
  "open registration and private webhooks": {
    ...{ ...leastValues, tenants: { registration: "open" }, webhooks: { allowPrivate: true } },
  },
  "exports to a volume": { ...leastValues, ingest: { exportsClaim: "exports" } },
  "one replica": everyPod({ replicas: 1 }),
  "no replicas": everyPod({ replicas: 0 }),
  "autoscaling by processors": everyPod({ autoscaling: { kind: "hpa" } }),
  "autoscaling by keda": everyPod({ autoscaling: { kind: "keda" } }),
  "keda without kafka": { eventBus: "redis", defaults: { autoscaling: { kind: "keda" } } },
  "keda with scram and tls": {
    ...kafka({ sasl: { mechanism: "scram-sha-512" }, tls: { secret: "kafka-tls", clientCertificate: true } }),
    ...{ secrets: { kafka: "kafka-user" }, defaults: { autoscaling: { kind: "keda", lagEvents: 100 } } },
  },
  "limits of processors": everyPod({ resources: { limits: { cpu: 2, memory: "1Gi" } } }),
  "pods placed": everyPod({
    nodeSelector: { pool: "payments" },
    tolerations: [{ key: "payments", operator: "Exists", effect: "NoSchedule" }],
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } },
    },
    priorityClassName: "high",
    topologySpread: "DoNotSchedule",
  }),
  "pods labelled": {
    ...everyPod({ podLabels: { team: "pay" }, podAnnotations: { "example.org/note": "yes" } }),
    commonLabels: { team: "all" },
  },
  "shares of pods": everyPod({ maxUnavailable: "25%", preStopSeconds: 15, scratchSize: "1Gi" }),
  "pods that end at once": everyPod({ preStopSeconds: 0 }),
  "identities of a cloud": everyPod({ serviceAccountAnnotations: { "example.org/role": "payflow" } }),
  "settings of an app": { ...leastValues, apps: { payment: { env: { FRAUD_TIMEOUT_MS: "400" } } } },
  "no operator": { ...leastValues, operator: { enabled: false } },
  "an operator by the secret": { ...leastValues, operator: { authentication: "secret" } },
  "an operator by keys": {
    ...{ ...leastValues, operator: { authentication: "jwks", tokenIssuer: "https://issuer.example" } },
  },
  "an operator of two namespaces": {
    ...{ ...leastValues, operator: { watchNamespaces: ["shops", "stalls"], clusterName: "north" } },
  },
  "an operator without roles for users": {
    ...leastValues,
    operator: { userRoles: false, pods: { replicas: 3 } },
  },
  "no definitions": { ...leastValues, crds: { enabled: false } },
  "definitions that go": { ...leastValues, crds: { keep: false } },
  "a gateway": { ...leastValues, gateway },
  "a gateway's host": {
    ...leastValues,
    gateway: { ...gateway, hostnames: ["pay.example"], annotations: { a: "b" } },
  },
  "an ingress": { ...leastValues, ingress: { enabled: true } },
  "an ingress with tls": {
    ...leastValues,
    ingress: {
      enabled: true,
      className: "edge",
      hosts: ["pay.example", "pay2.example"],
      tlsSecret: "pay-tls",
    },
  },
  "both, and metrics": {
    ...{ ...leastValues, gateway, ingress: { enabled: true }, networkPolicy: { metricsFrom: [peer] } },
    ...{ commonLabels: { release: "payments" } },
    monitoring: { serviceMonitors: true, rules: true, interval: "15s", labels: { release: "prometheus" } },
  },
  "narrow networks": {
    ...leastValues,
    networkPolicy: {
      ...{ publicFrom: [peer], metricsFrom: [peer], storeCidrs: ["10.0.0.0/16"], storePorts: [5432] },
      ...{ apiServerCidrs: ["10.0.0.1/32"], exportCidrs: ["10.9.0.0/16"], storePeers: [peer] },
      extraEgress: [{ to: [peer], ports: [{ port: 8080, protocol: "TCP" }] }],
    },
  },
};

/** What a cluster is asked about: everything that can be chosen, at least once; and every example. */
export const valueSets: readonly ValueSet[] = [
  ...Object.entries(plain).map(([name, values]) => ({ name, values })),
  ...apps
    .filter((app) => app !== "tenant")
    .map((app) => ({ name: `no ${app}`, values: { ...leastValues, apps: { [app]: { enabled: false } } } })),
  ...["trial", "production"].map((name) => ({ name: `example: ${name}`, values: {}, files: [file(name)] })),
  { name: "example: aws", values: {}, files: [file("production"), file("aws")] },
];
