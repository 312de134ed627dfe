import { beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import path from "node:path";
import { helmBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import { platformDatabases, repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import type { TObject } from "@sinclair/typebox";
import { fraudSettings } from "../../../apps/fraud/src/config.ts";
import { ingestSettings } from "../../../apps/ingest/src/config.ts";
import { ledgerSettings } from "../../../apps/ledger/src/config.ts";
import { notifierSettings } from "../../../apps/notifier/src/config.ts";
import { paymentSettings } from "../../../apps/payment/src/config.ts";
import { tenantSettings } from "../../../apps/tenant/src/config.ts";
import { operatorProcessSettings } from "../../../operator/src/config.ts";
import {
  containerOf,
  deploymentOf,
  environmentOf,
  find,
  type KubernetesObject,
  leastValues,
  names,
  objectsOf,
  podOf,
  template,
} from "./chart.ts";

const buildMs = 30 * 60_000;
const apps = platform.apps.map(({ name }) => name);
let least: KubernetesObject[];

beforeAll(async () => {
  await helmBinary();
  least = await objectsOf(leastValues);
}, buildMs);

const pods = (objects: KubernetesObject[]) =>
  objects.flatMap((one) =>
    one.kind === "Pod" ? [one.spec] : one.spec?.template?.spec === undefined ? [] : [one.spec.template.spec],
  );
const containers = (pod: KubernetesObject) => [...(pod.initContainers ?? []), ...pod.containers];
test("every app has a deployment, a service, an account, a budget and a network policy", () => {
  for (const kind of ["Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"]) {
    const wanted = [...apps, "operator"].map((app) => `payflow-${app}`).sort();
    expect(
      names(least, kind)
        .filter((name) => wanted.includes(name))
        .sort(),
    ).toEqual(wanted);
  }
});

const settingsOf: Readonly<Record<string, TObject>> = {
  ...{ payment: paymentSettings, ledger: ledgerSettings, notifier: notifierSettings },
  ...{
    tenant: tenantSettings,
    fraud: fraudSettings,
    ingest: ingestSettings,
    operator: operatorProcessSettings,
  },
};

test.each(Object.entries(settingsOf))(
  "%s is given every setting that it needs, and none that it does not know",
  async (app, settings) => {
    const full = await objectsOf({
      kafka: {
        ...{ brokers: "a:1", prefix: "p.", tls: { secret: "k", clientCertificate: true } },
        sasl: { mechanism: "plain" },
      },
      secrets: { kafka: "user" },
      tracing: { endpoint: "http://collector:4318" },
      ingest: { exportsClaim: "exports" },
      operator: {
        authentication: "jwks",
        tokenIssuer: "https://issuer",
        watchNamespaces: ["a"],
        clusterName: "c",
      },
    });
    for (const objects of [least, full]) {
      const given = Object.keys(environmentOf(objects, app));
      // Where other apps are has a default for one machine, which would lead nowhere here.
      const required = Object.keys(settings.properties).filter(
        (name) =>
          name.endsWith("_SERVICE_URL") ||
          (settings.required?.includes(name) && settings.properties[name]?.default === undefined),
      );
      expect(required.filter((name: string) => !given.includes(name))).toBeEmpty();
      expect(given.filter((name) => !(name in settings.properties))).toBeEmpty();
    }
  },
);

test("ports, and where apps find one another, are those of the public contract", () => {
  for (const { name, place } of platform.apps) {
    expect(environmentOf(least, name)).toMatchObject({
      PORT: `${3000 + place}`,
      INTERNAL_PORT: `${4000 + place}`,
    });
    const service = find(least, "Service", `payflow-${name}`);
    expect(service.spec.ports.map(({ port }: KubernetesObject) => port)).toEqual([
      3000 + place,
      4000 + place,
    ]);
    for (const [variable, value] of Object.entries(environmentOf(least, name))) {
      const callee = /^(\w+)_SERVICE_URL$/.exec(variable)?.[1]?.toLowerCase();
      const at = 4000 + (platform.apps.find((app) => app.name === callee)?.place ?? 0);
      if (callee !== undefined) expect(value).toBe(`http://payflow-${callee}:${at}`);
    }
  }
});

test("each database is migrated by an init container as its owner, whom nothing else knows", () => {
  const seen: string[] = [];
  for (const app of apps) {
    for (const container of containers(podOf(least, app))) {
      const keys = (container.env ?? []).flatMap(
        ({ valueFrom }: KubernetesObject) => valueFrom?.secretKeyRef?.key ?? [],
      );
      const owners = keys.filter((key: string) => key.endsWith("-owner-url"));
      if (container.name === "migrate") {
        expect(container.args).toEqual(["migrate", app]);
        expect(keys).toEqual(owners);
        seen.push(...owners);
      } else {
        expect(owners).toBeEmpty();
      }
    }
  }
  expect(seen.sort()).toEqual(platformDatabases.map(({ name }) => `${name}-owner-url`).sort());
});

test("pods hold to the restricted standard, write nowhere but to /tmp, and are probed in three ways", async () => {
  const trial = await objectsOf({ dev: { enabled: true, kafka: { enabled: true } } });
  for (const pod of [...pods(least), ...pods(trial)]) {
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.enableServiceLinks).toBe(false);
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
    for (const container of containers(pod)) {
      expect(container.securityContext).toEqual({
        ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
      });
      expect(container.resources.requests.memory).toBeDefined();
      expect(container.resources.limits.memory).toBeDefined();
    }
  }
  for (const app of [...apps, "operator"]) {
    const container = containerOf(least, app);
    expect(container.startupProbe.httpGet).toEqual({ path: "/livez", port: "internal" });
    expect(container.livenessProbe.httpGet).toEqual({ path: "/livez", port: "internal" });
    expect(container.readinessProbe.httpGet).toEqual({ path: "/readyz", port: "internal" });
    expect(container.volumeMounts).toContainEqual({ name: "scratch", mountPath: "/tmp" });
  }
});

test("a pod that ends has longer than its last requests and its own 25 seconds take", async () => {
  const objects = await objectsOf({ ...leastValues, defaults: { preStopSeconds: 20 } });
  for (const app of apps) {
    expect(containerOf(objects, app).lifecycle.preStop).toEqual({ sleep: { seconds: 20 } });
    expect(podOf(objects, app).terminationGracePeriodSeconds).toBeGreaterThanOrEqual(20 + 25);
  }
});

test("pods of whom nobody waits end at once, which Kubernetes before 1.33 takes from no sleep of 0", async () => {
  const objects = await objectsOf({ ...leastValues, defaults: { preStopSeconds: 0 } });
  for (const app of apps) expect(containerOf(objects, app).lifecycle).toBeUndefined();
});

test("every pod, also a test's and a trial's, runs where the values say", async () => {
  const tolerations = [{ key: "payments", operator: "Exists", effect: "NoSchedule" }];
  const defaults = { nodeSelector: { pool: "payments" }, tolerations, priorityClassName: "high" };
  const objects = await objectsOf({ dev: { enabled: true }, eventBus: "redis", defaults });
  expect(pods(objects)).toHaveLength(apps.length + 5);
  for (const pod of pods(objects)) {
    expect(pod).toMatchObject({ ...defaults, priorityClassName: "high" });
  }
});

test("labels of one's own stand beside the chart's, and the more special of two wins", async () => {
  const objects = await objectsOf({
    ...{ ...leastValues, commonLabels: { team: "all", tier: "1" }, defaults: { podLabels: { team: "pay" } } },
    networkPolicy: { metricsFrom: [{ podSelector: {} }] },
    monitoring: { serviceMonitors: true, labels: { team: "watch" } },
  });
  const pod = deploymentOf(objects, "ledger").spec.template.metadata.labels;
  expect(pod).toMatchObject({ team: "pay", tier: "1", "app.kubernetes.io/component": "ledger" });
  expect(find(objects, "Service", "payflow-ledger").metadata.labels).toMatchObject({ team: "all" });
  expect(find(objects, "ServiceMonitor", "payflow-ledger").metadata.labels).toMatchObject({ team: "watch" });
});

test("with the longest of names, everything still has room for what Kubernetes adds", async () => {
  const options = { release: "a".repeat(53) };
  const objects = await objectsOf({ dev: { enabled: true, kafka: { enabled: true } } }, options);
  for (const { kind, metadata } of objects) {
    if (kind === "StatefulSet") expect(`${metadata.name}-0123456789`.length).toBeLessThanOrEqual(63);
    if (kind === "Service") expect(metadata.name.length).toBeLessThanOrEqual(63);
  }
});

test("only those who ask the cluster have a token for it, and the operator one more, for apps alone", async () => {
  const holders = (objects: KubernetesObject[]) =>
    [...apps, "operator"].filter((app) =>
      JSON.stringify(podOf(objects, app)).includes("serviceAccountToken"),
    );
  expect(holders(least)).toEqual(["notifier", "tenant", "fraud", "operator"]);
  const token = podOf(least, "operator").volumes.find(({ name }: KubernetesObject) => name === "token");
  expect(token.projected.sources[0].serviceAccountToken.audience).toBe("payflow-internal");
  expect(environmentOf(least, "tenant")).toMatchObject({
    ...{ OPERATOR_AUTH: "token_review", OPERATOR_ACCOUNTS: "payments/payflow-operator" },
  });
  const secret = await objectsOf({ ...leastValues, operator: { authentication: "secret" } });
  expect(holders(secret)).toEqual(["operator"]);
  expect(Object.keys(environmentOf(secret, "operator"))).toContain("INTERNAL_SERVICE_SECRET");
  expect(names(secret, "ClusterRole")).not.toContain("payments-payflow-apps");
});

test("who is scaled by something else has no number of replicas", async () => {
  for (const [kind, scaler] of Object.entries({ hpa: "HorizontalPodAutoscaler", keda: "ScaledObject" })) {
    const objects = await objectsOf({ ...leastValues, apps: { ledger: { autoscaling: { kind } } } });
    expect(deploymentOf(objects, "ledger").spec.replicas).toBeUndefined();
    expect(deploymentOf(objects, "payment").spec.replicas).toBe(2);
    expect(names(objects, scaler)).toEqual(["payflow-ledger"]);
  }
});

test("keda counts what Kafka has for an app's own group, and logs in as the apps do", async () => {
  const objects = await objectsOf({
    kafka: {
      brokers: "a:1,b:2",
      prefix: "shared.",
      tls: { secret: "k" },
      sasl: { mechanism: "scram-sha-512" },
    },
    secrets: { kafka: "user" },
    defaults: { autoscaling: { kind: "keda", lagEvents: 100 } },
  });
  const triggers = (app: string) => find(objects, "ScaledObject", `payflow-${app}`).spec.triggers;
  expect(triggers("ledger")[1]).toEqual({
    type: "kafka",
    metadata: {
      ...{ bootstrapServers: "a:1,b:2", consumerGroup: "shared.ledger", lagThreshold: "100" },
      ...{ sasl: "scram_sha512", tls: "enable" },
    },
    authenticationRef: { name: "payflow-kafka" },
  });
  expect(triggers("tenant")).toHaveLength(1);
  expect(names(objects, "TriggerAuthentication")).toEqual(["payflow-kafka"]);
});

test("an app that is left out leaves nothing of itself, and is not counted as installed", async () => {
  const objects = await objectsOf({ ...leastValues, apps: { ingest: { enabled: false } } });
  expect(objects.filter((one) => one.metadata.name === "payflow-ingest")).toBeEmpty();
  expect(environmentOf(objects, "payment")).toMatchObject({
    INSTALLED_APPS: "tenant,payment,fraud,ledger,notifier",
  });
  const noFraud = await objectsOf({ ...leastValues, apps: { fraud: { enabled: false } } });
  const { subjects } = find(noFraud, "ClusterRoleBinding", "payments-payflow-apps");
  expect(subjects.map(({ name }: KubernetesObject) => name)).toEqual(["payflow-tenant", "payflow-notifier"]);
  expect(environmentOf(least, "payment")).toMatchObject({
    INSTALLED_APPS: "tenant,payment,fraud,ledger,notifier,ingest",
  });
});

test("an image is named by its digest where there is one, and else by the chart's version", async () => {
  const digest = `sha256:${"0".repeat(64)}`;
  expect(containerOf(least, "payment").image).toBe("payflow:0.1.0");
  const objects = await objectsOf({
    ...leastValues,
    image: { repository: "r.example/payflow", tag: "x", digest },
  });
  const images = pods(objects).flatMap((pod) => containers(pod).map(({ image }: KubernetesObject) => image));
  expect(new Set(images)).toEqual(new Set([`r.example/payflow@${digest}`]));
});

test("definitions stay when the release goes, and hold what the operator's source says", async () => {
  const definitions = least.filter(({ kind }) => kind === "CustomResourceDefinition");
  expect(definitions).toHaveLength(3);
  for (const { metadata } of definitions)
    expect(metadata.annotations["helm.sh/resource-policy"]).toBe("keep");
  const going = await objectsOf({ ...leastValues, crds: { keep: false } });
  expect(JSON.stringify(going)).not.toContain("resource-policy");
});

test("the operator may do what its source asks for: everywhere, or where it works", async () => {
  const binding = (objects: KubernetesObject[], kind: string) =>
    objects.filter((one) => one.kind === kind && one.metadata.name === "payments-payflow-operator");
  expect(binding(least, "ClusterRoleBinding")).toHaveLength(1);
  const two = await objectsOf({
    ...leastValues,
    operator: { watchNamespaces: ["a", "b"], clusterName: "c" },
  });
  expect(binding(two, "ClusterRoleBinding")).toBeEmpty();
  expect(binding(two, "RoleBinding").map(({ metadata }) => metadata.namespace)).toEqual(["a", "b"]);
});

test("no password and no key stands in anything that is rendered but a trial's own Secret", async () => {
  expect(names(least, "Secret")).toBeEmpty();
  const trial = await objectsOf({ dev: { enabled: true }, eventBus: "redis" });
  const { stringData } = find(trial, "Secret", "payflow-trial");
  const others = JSON.stringify(trial.filter(({ kind }) => kind !== "Secret"));
  // `helm template` makes them anew each time; these are of one rendering.
  for (const secret of Object.values<string>(stringData)) expect(others).not.toContain(secret);
  expect(stringData["payment-owner-url"]).toMatch(
    /^postgres:\/\/payment_owner:\w{32}@payflow-postgresql:5432\/payflow_payment$/,
  );
  for (const { name } of platformDatabases) expect(Object.keys(stringData)).toContain(`${name}-url`);
});

test("what would not work is refused in words that say what to do", async () => {
  const refused = async (values: Record<string, unknown>) => (await template(values)).problem;
  expect(await refused({})).toContain("kafka.brokers is missing");
  expect(await refused({ dev: { enabled: true } })).toContain("dev.kafka.enabled");
  expect(await refused({ kafka: { brokers: "a:1", sasl: { mechanism: "plain" } } })).toContain(
    "secrets.kafka is missing",
  );
  expect(await refused({ ...leastValues, gateway: { enabled: true } })).toContain(
    "gateway.parentRefs is missing",
  );
  expect(await refused({ ...leastValues, operator: { watchNamespaces: ["a"] } })).toContain(
    "operator.clusterName is missing",
  );
  expect(await refused({ ...leastValues, operator: { authentication: "jwks" } })).toContain(
    "operator.tokenIssuer is missing",
  );
  expect(await refused({ ...leastValues, monitoring: { serviceMonitors: true } })).toContain(
    "networkPolicy.metricsFrom is missing",
  );
  const onTrial = { dev: { enabled: true, kafka: { enabled: true } }, kafka: { tls: { enabled: true } } };
  expect(await refused(onTrial)).toContain("kafka.sasl and kafka.tls are for Kafka of your own");
  expect(await refused({ ...leastValues, apps: { tenant: { enabled: false } } })).toContain(
    "apps.tenant.enabled must be true",
  );
  const scaling = { autoscaling: { kind: "hpa", minReplicas: 11 } };
  expect(await refused({ ...leastValues, apps: { ledger: scaling } })).toContain("apps.ledger.autoscaling");
});

test("every Secret's key that pods ask for is told in the page about installing, or on the chart's own", async () => {
  const objects = await objectsOf({
    ...{ kafka: { brokers: "a:1", sasl: { mechanism: "plain" } }, secrets: { kafka: "user" } },
  });
  const pages = ["docs/install.md", "charts/payflow/README.md"].map((file) =>
    readFileSync(path.join(repositoryRoot, file), "utf8"),
  );
  const keys = [...JSON.stringify(objects).matchAll(/"secretKeyRef":\{"name":"[^"]+","key":"([^"]+)"/g)].map(
    ([, key = ""]) => key,
  );
  expect(new Set(keys).size).toBeGreaterThan(20);
  const named = (key: string) =>
    pages.some((page) => page.includes(key.replace(/^(\w+)-(owner-)?url$/, "-$2url")));
  expect(keys.filter((key) => !named(key))).toEqual([]);
});
