import { beforeAll, expect, test } from "bun:test";
import { helmBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { leastValues, template } from "./chart.ts";

const buildMs = 30 * 60_000;
const patienceMs = 600_000;

beforeAll(() => helmBinary(), buildMs);

/** Values, and the place that the refusal names. */
const bad: readonly (readonly [object, string])[] = [
  [{ kafka: { borkers: "a:1" } }, "/kafka"],
  [{ unknown: 1 }, "'unknown'"],
  [{ apps: { payments: { enabled: true } } }, "/apps"],
  [{ apps: { payment: { replica: 3 } } }, "/apps/payment"],
  [{ apps: { payment: { replicas: "3" } } }, "/apps/payment/replicas"],
  [{ apps: { payment: { replicas: -1 } } }, "/apps/payment/replicas"],
  [{ apps: { payment: { env: { ADMIN_TOKEN: "x" } } } }, "ADMIN_TOKEN"],
  [{ apps: { payment: { env: { DATABASE_URL: "postgres://u:p@h/d" } } } }, "DATABASE_URL"],
  [{ apps: { payment: { env: { KAFKA_SASL_PASSWORD: "x" } } } }, "KAFKA_SASL_PASSWORD"],
  [{ apps: { payment: { env: { PORT: "80" } } } }, "PORT"],
  [{ apps: { payment: { env: { FRAUD_SERVICE_URL: "http://elsewhere" } } } }, "FRAUD_SERVICE_URL"],
  [{ operator: { pods: { autoscaling: { kind: "hpa" } } } }, "/operator/pods"],
  [{ apps: { payment: { env: { "not a name": "x" } } } }, "not a name"],
  [{ apps: { payment: { env: { FRAUD_TIMEOUT_MS: 250 } } } }, "/apps/payment/env/FRAUD_TIMEOUT_MS"],
  [{ image: { digest: "sha256:12" } }, "/image/digest"],
  [{ image: { tag: "not a tag" } }, "/image/tag"],
  [{ image: { pullPolicy: "Sometimes" } }, "/image/pullPolicy"],
  [{ eventBus: "rabbitmq" }, "/eventBus"],
  [{ kafka: { brokers: "kafka.example" } }, "/kafka/brokers"],
  [{ kafka: { sasl: { mechanism: "gssapi" } } }, "/kafka/sasl/mechanism"],
  [{ kafka: { sasl: { password: "x" } } }, "/kafka/sasl"],
  [{ kafka: { replication: 0 } }, "/kafka/replication"],
  [{ secrets: { postgresql: "Not A Name" } }, "/secrets/postgresql"],
  [{ secrets: { platform: { "admin-token": "x" } } }, "/secrets/platform"],
  [{ defaults: { autoscaling: { kind: "vpa" } } }, "/defaults/autoscaling/kind"],
  [{ defaults: { resources: { requests: { memory: "lots" } } } }, "/defaults/resources/requests/memory"],
  [{ defaults: { resources: { request: {} } } }, "/defaults/resources"],
  [{ defaults: { topologySpread: "Maybe" } }, "/defaults/topologySpread"],
  [{ defaults: { maxUnavailable: "half" } }, "/defaults/maxUnavailable"],
  [{ defaults: { maxUnavailable: 0 } }, "/defaults/maxUnavailable"],
  [{ defaults: { maxUnavailable: "0%" } }, "/defaults/maxUnavailable"],
  [{ defaults: { podLabels: { team: 4 } } }, "/defaults/podLabels/team"],
  [{ defaults: { podLabels: { team: "not a label" } } }, "/defaults/podLabels/team"],
  [{ commonLabels: { "app.kubernetes.io/component": "all" } }, "app.kubernetes.io/component"],
  [{ defaults: { tolerations: [{ keys: "a" }] } }, "/defaults/tolerations/0"],
  [{ defaults: { affinity: { nodeAffinty: {} } } }, "/defaults/affinity"],
  [{ operator: { authentication: "none" } }, "/operator/authentication"],
  [{ operator: { watchNamespaces: ["a", "a"] } }, "/operator/watchNamespaces"],
  [{ operator: { pods: { replicas: 1.5 } } }, "/operator/pods/replicas"],
  [{ gateway: { enabled: true, parentRefs: [{ namespace: "g" }] } }, "/gateway/parentRefs/0"],
  [{ gateway: { parentRefs: [{ name: "g", section: "https" }] } }, "/gateway/parentRefs/0"],
  [{ gateway: { hostnames: ["https://pay.example"] } }, "/gateway/hostnames/0"],
  [{ ingress: { enabled: "yes" } }, "/ingress/enabled"],
  [{ ingress: { hosts: ["pay.example/payments"] } }, "/ingress/hosts/0"],
  [{ networkPolicy: { publicFrom: [{ namespace: "edge" }] } }, "/networkPolicy/publicFrom/0"],
  [{ networkPolicy: { metricsFrom: [{}] } }, "/networkPolicy/metricsFrom/0"],
  [{ networkPolicy: { extraEgress: [{ ports: [{ port: 0 }] }] } }, "/networkPolicy/extraEgress/0"],
  [{ operator: { tokenIssuer: "issuer.example" } }, "/operator/tokenIssuer"],
  [{ networkPolicy: { storeCidrs: ["everywhere"] } }, "/networkPolicy/storeCidrs/0"],
  [{ networkPolicy: { storePorts: [70_000] } }, "/networkPolicy/storePorts/0"],
  [{ tenants: { registration: "everybody" } }, "/tenants/registration"],
  [{ tracing: { endpoint: "collector:4318" } }, "/tracing/endpoint"],
  [{ monitoring: { interval: "often" } }, "/monitoring/interval"],
  [{ dev: { postgresql: { password: "x" } } }, "/dev/postgresql"],
];

test.each(bad)(
  "%j is refused, and the refusal names the place",
  async (values, place) => {
    const { exitCode, problem } = await template({ ...leastValues, ...values });
    expect(exitCode).not.toBe(0);
    expect(problem).toContain("don't meet the specifications of the schema");
    expect(problem).toContain(place);
  },
  patienceMs,
);
