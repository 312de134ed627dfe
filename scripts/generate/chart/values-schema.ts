import { platform } from "@payflow/one-machine/installation/apps.ts";
import { Type } from "@sinclair/typebox";
import { operatorPodValues, podValues } from "./pod-values.ts";
import {
  cidrs,
  closed,
  count,
  egressRules,
  flag,
  hosts,
  labels,
  map,
  name,
  oneOfThese,
  peers,
  ports,
  quantity,
  text,
} from "./value-schemas.ts";

const store = (what: string) => ({
  image: text(`${what}'s image.`),
  size: quantity("Of its volume, which an upgrade cannot change."),
});

const stores = {
  secrets: closed(
    {
      platform: name(
        "internal-service-secret, admin-token, api-key-secret and webhook-encryption-key; while secrets change, " +
          "also api-key-secret-version, api-key-previous-secrets and webhook-previous-encryption-keys.",
      ),
      postgresql: name("For each database DB, DB-url as its service role and DB-owner-url as its owner."),
      redis: name(
        "cache-url, durable-url, and ingest-url where the event streams have a Redis of their own.",
      ),
      kafka: name("username and password."),
      revision: text("Anything; when it changes, pods start anew and read their Secrets again."),
    },
    "Names of Secrets that exist in the release's namespace, and the keys that each has.",
  ),
  certificates: closed(
    {
      configMap: name("A ConfigMap with them in PEM form; none if empty."),
      key: text("Its key.", "^[\\w.-]+$"),
    },
    "Authorities whose certificates PostgreSQL and Redis have, besides those that everybody trusts.",
  ),
  eventBus: oneOfThese(["kafka", "redis"], "What carries events between the apps."),
  kafka: closed({
    brokers: text("As host:port by comma.", "^([^\\s,:]+:[0-9]{1,5}(,[^\\s,:]+:[0-9]{1,5})*)?$"),
    prefix: text(
      "Begins the names of topics and groups, where installations share Kafka.",
      "^[A-Za-z0-9._-]{0,100}$",
    ),
    partitions: count("Of a topic that is made.", { minimum: 1, maximum: 1_000 }),
    replication: count("Copies of each event.", { minimum: 1, maximum: 9 }),
    retentionHours: count("How long topics keep events.", { minimum: 1 }),
    tls: closed({
      enabled: flag("Whether Kafka is reached by TLS."),
      secret: name("A Secret with ca.crt, where the authority is not everybody's. It implies TLS."),
      clientCertificate: flag("Whether that Secret has tls.crt and tls.key, which Kafka asks for."),
    }),
    sasl: closed({
      mechanism: oneOfThese(
        ["", "scram-sha-512", "scram-sha-256", "plain"],
        "How to log in; not at all if empty.",
      ),
    }),
  }),
};

const behaviour = {
  listenAddress: oneOfThese(["0.0.0.0", "::"], "Of the apps; the second where pods have IPv6 addresses."),
  logLevel: oneOfThese(["trace", "debug", "info", "warn", "error", "silent"], "How much is logged."),
  tracing: closed({
    endpoint: text("Where spans go by OTLP over HTTP; nowhere if empty.", "^(https?://[^/\\s]+\\S*)?$"),
  }),
  tenants: closed({
    registration: oneOfThese(
      ["admin", "open"],
      "Who may register a tenant: whoever has the admin token, or anybody.",
    ),
  }),
  webhooks: closed({
    allowPrivate: flag(
      "Whether webhooks may go by http and to addresses that are not public. For trials alone.",
    ),
  }),
  ingest: closed({
    exportsClaim: name(
      "A PersistentVolumeClaim for exported files, which all replicas of ingest can write to.",
    ),
  }),
};

const operator = closed({
  enabled: flag("Whether Tenants, WebhookEndpoints and FraudPolicies are acted upon."),
  authentication: oneOfThese(
    ["token_review", "jwks", "secret"],
    "How apps know the operator: they ask the cluster about its token, check the token by the cluster's keys, or " +
      "share the internal secret with it.",
  ),
  tokenIssuer: text("The cluster's, for jwks.", "^(https?://\\S+)?$"),
  watchNamespaces: Type.Array(Type.String({ pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" }), {
    description: "The namespaces it works in; all of them if empty.",
    uniqueItems: true,
  }),
  clusterName: text(
    "What tells this cluster from others; the cluster's own id if empty. It must stay the same.",
    "^[\\w.-]{0,253}$",
  ),
  userRoles: flag("Whether who may view, edit or administer a namespace may do so with our resources in it."),
  pods: closed(operatorPodValues, "As `defaults`, where the operator's pods differ."),
});

const parentRef = Type.Object(
  {
    name: Type.String({ minLength: 1 }),
    namespace: Type.Optional(Type.String({ minLength: 1 })),
    sectionName: Type.Optional(Type.String({ minLength: 1 })),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    group: Type.Optional(Type.String()),
    kind: Type.Optional(Type.String({ minLength: 1 })),
  },
  { additionalProperties: false },
);

const outside = {
  gateway: closed(
    {
      enabled: flag("Whether there is an HTTPRoute (Gateway API)."),
      parentRefs: Type.Array(parentRef, { description: "The Gateways that it belongs to." }),
      hostnames: hosts("All of the Gateway's if empty."),
      annotations: map("Of the HTTPRoute."),
    },
    "How requests come in. Internal routes are on another port, to which nothing leads.",
  ),
  ingress: closed({
    enabled: flag("Whether there is an Ingress, where there is no Gateway API."),
    className: name("Of the IngressClass; the cluster's default if empty."),
    hosts: hosts("All hosts if empty."),
    tlsSecret: name("The Secret with the certificate; no TLS if empty."),
    annotations: map("Of the Ingress."),
  }),
  networkPolicy: closed({
    enabled: flag("Whether each app may be reached by, and reach, only whom it has to do with."),
    publicFrom: peers(
      "Who may reach public ports, as NetworkPolicy peers. Balancers that send straight to pods come by address.",
    ),
    metricsFrom: peers("Who may reach metrics, likewise; nobody if empty."),
    storePorts: ports("Of PostgreSQL, Redis and Kafka."),
    storeCidrs: cidrs("Where these are; anywhere if empty, and storePeers too."),
    storePeers: peers("Where they are, as NetworkPolicy peers, for those that run in the cluster."),
    apiServerPorts: ports("Of the cluster's API."),
    apiServerCidrs: cidrs("Where that is; anywhere if empty."),
    exportCidrs: cidrs("Where ingest may reach buckets, on port 443; anywhere if empty."),
    extraEgress: egressRules("Further rules for every app."),
  }),
  monitoring: closed({
    serviceMonitors: flag("Whether the Prometheus operator is told where the metrics are."),
    rules: flag("Whether it gets our alerts."),
    interval: text(
      "Between two readings; at most 1m, since alerts look at two minutes.",
      "^([1-5]?[0-9]s|1m)$",
    ),
    labels: labels("By which a Prometheus chooses its monitors and rules."),
  }),
};

const dev = closed(
  {
    enabled: flag("Whether PostgreSQL and Redis run in the release itself, with secrets of its own making."),
    storageClass: name("Of the volumes; the cluster's default if empty."),
    postgresql: closed(store("PostgreSQL")),
    redis: closed(store("Redis")),
    kafka: closed({
      enabled: flag("Whether there is Kafka besides, as eventBus kafka needs."),
      ...store("Kafka"),
    }),
  },
  "For trials alone: one pod a store, and no backups.",
);

const appValues = closed({ enabled: flag("Whether the app is installed."), ...podValues });

/** Everything that can stand in values.yaml. What is not known is refused. */
export const valuesSchema = closed({
  global: Type.Object({}, { description: "Of charts that contain this one; nothing is read from it." }),

  fullnameOverride: name("What all names begin with; the release's name and `payflow` if empty."),
  commonLabels: labels("Labels of every object, and of every pod."),
  image: closed({
    repository: text("With the registry, where it is not the node's default.", "^[a-z0-9][a-z0-9._/:-]*$"),
    tag: text("The chart's appVersion if empty.", "^([\\w][\\w.-]{0,127})?$"),
    digest: text(
      "Wins over the tag: it says which image it is, and tags can be moved.",
      "^(sha256:[0-9a-f]{64})?$",
    ),
    pullPolicy: oneOfThese(["IfNotPresent", "Always", "Never"], "Of Kubernetes."),
    pullSecrets: Type.Array(Type.String({ minLength: 1 }), {
      description: "Names of Secrets for the registry.",
    }),
  }),
  ...stores,
  ...behaviour,
  defaults: closed(podValues, "Of every app, where `apps` does not say otherwise."),
  apps: closed(Object.fromEntries(platform.apps.map(({ name: app }) => [app, appValues]))),
  operator,
  crds: closed({
    enabled: flag("Whether the release brings the definitions of our resources, and upgrades them."),
    keep: flag("Whether they stay when the release goes. Without them every Tenant would go too."),
  }),
  ...outside,
  dev,
});
