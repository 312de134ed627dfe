import { beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { helmBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import { platformDatabases, repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import type { TObject } from "@sinclair/typebox";
import { Glob } from "bun";
import { fraudSettings } from "../../../apps/fraud/src/config.ts";
import { ingestSettings } from "../../../apps/ingest/src/config.ts";
import { ledgerSettings } from "../../../apps/ledger/src/config.ts";
import { notifierSettings } from "../../../apps/notifier/src/config.ts";
import { paymentSettings } from "../../../apps/payment/src/config.ts";
import { tenantSettings } from "../../../apps/tenant/src/config.ts";
import { operatorProcessSettings } from "../../../operator/src/config.ts";
import {
  chartFolder,
  find,
  type KubernetesObject,
  leastValues,
  names,
  objectsOf,
  template,
} from "./chart.ts";

const buildMs = 30 * 60_000;
const apps = platform.apps.map(({ name }) => name);
let least: KubernetesObject[];

beforeAll(async () => {
  await helmBinary();
  least = await objectsOf(leastValues);
}, buildMs);

const deployment = (objects: KubernetesObject[], app: string) =>
  find(objects, "Deployment", `payflow-${app}`);
const podOf = (objects: KubernetesObject[], app: string) => deployment(objects, app).spec.template.spec;
const containerOf = (objects: KubernetesObject[], app: string) => podOf(objects, app).containers[0];
const pods = (objects: KubernetesObject[]) =>
  objects.flatMap((one) =>
    one.kind === "Pod" ? [one.spec] : one.spec?.template?.spec === undefined ? [] : [one.spec.template.spec],
  );
const containers = (pod: KubernetesObject) => [...(pod.initContainers ?? []), ...pod.containers];
const environment = (objects: KubernetesObject[], app: string) =>
  Object.fromEntries(
    containerOf(objects, app).env.map(({ name, value, valueFrom }: KubernetesObject) => [
      name,
      value ?? valueFrom,
    ]),
  );

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
      const given = Object.keys(environment(objects, app));
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
    expect(environment(least, name)).toMatchObject({
      PORT: `${3000 + place}`,
      INTERNAL_PORT: `${4000 + place}`,
    });
    const service = find(least, "Service", `payflow-${name}`);
    expect(service.spec.ports.map(({ port }: KubernetesObject) => port)).toEqual([
      3000 + place,
      4000 + place,
    ]);
    for (const [variable, value] of Object.entries(environment(least, name))) {
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

test("only those who ask the cluster have a token for it, and the operator one more, for apps alone", async () => {
  const holders = (objects: KubernetesObject[]) =>
    [...apps, "operator"].filter((app) =>
      JSON.stringify(podOf(objects, app)).includes("serviceAccountToken"),
    );
  expect(holders(least)).toEqual(["notifier", "tenant", "fraud", "operator"]);
  const token = podOf(least, "operator").volumes.find(({ name }: KubernetesObject) => name === "token");
  expect(token.projected.sources[0].serviceAccountToken.audience).toBe("payflow-internal");
  expect(environment(least, "tenant")).toMatchObject({
    ...{ OPERATOR_AUTH: "token_review", OPERATOR_ACCOUNTS: "payments/payflow-operator" },
  });
  const secret = await objectsOf({ ...leastValues, operator: { authentication: "secret" } });
  expect(holders(secret)).toEqual(["operator"]);
  expect(Object.keys(environment(secret, "operator"))).toContain("INTERNAL_SERVICE_SECRET");
  expect(names(secret, "ClusterRole")).not.toContain("payments-payflow-apps");
});

test("who is scaled by something else has no number of replicas", async () => {
  for (const [kind, scaler] of Object.entries({ hpa: "HorizontalPodAutoscaler", keda: "ScaledObject" })) {
    const objects = await objectsOf({ ...leastValues, apps: { ledger: { autoscaling: { kind } } } });
    expect(deployment(objects, "ledger").spec.replicas).toBeUndefined();
    expect(deployment(objects, "payment").spec.replicas).toBe(2);
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

/** The first parts of the public paths of each app, from its API document. */
function publicPaths(app: string): string[] {
  const { paths } = JSON.parse(readFileSync(path.join(repositoryRoot, "apps", app, "openapi.json"), "utf8"));
  return Object.keys(paths).filter((one) => !["/health", "/docs", "/openapi.json"].includes(one));
}

test("every public path leads to its own app, by gateway and by ingress, and no internal one leads anywhere", async () => {
  const objects = await objectsOf({
    ...leastValues,
    ...{ gateway: { enabled: true, parentRefs: [{ name: "g" }] }, ingress: { enabled: true } },
  });
  const routes = find(objects, "HTTPRoute", "payflow").spec.rules.flatMap((rule: KubernetesObject) =>
    rule.matches.map((match: KubernetesObject) => [match.path.value, rule.backendRefs[0]]),
  );
  const entries = find(objects, "Ingress", "payflow").spec.rules[0].http.paths;
  for (const { name, place } of platform.apps) {
    for (const one of publicPaths(name)) {
      const leads = routes.filter(([prefix]: [string]) => one === prefix || one.startsWith(`${prefix}/`));
      expect(leads.map(([, to]: [string, unknown]) => to)).toEqual([
        { name: `payflow-${name}`, port: 3000 + place },
      ]);
      const entry = entries.filter(
        (found: KubernetesObject) => one === found.path || one.startsWith(`${found.path}/`),
      );
      expect(entry.map((found: KubernetesObject) => found.backend.service)).toEqual([
        { name: `payflow-${name}`, port: { name: "http" } },
      ]);
    }
  }
  expect(JSON.stringify([routes, entries])).not.toMatch(/internal|40\d\d/);
});

test("internal ports are open to those who call them alone, public ones to whom the values say", () => {
  const reachers = (app: string) =>
    find(least, "NetworkPolicy", `payflow-${app}`)
      .spec.ingress.filter((rule: KubernetesObject) => rule.ports[0].port === "internal")
      .flatMap((rule: KubernetesObject) => rule.from)
      .map((peer: KubernetesObject) => peer.podSelector.matchLabels["app.kubernetes.io/component"]);
  expect(reachers("fraud")).toEqual(["payment", "operator"]);
  expect(reachers("payment").sort()).toEqual(["ledger", "tenant"]);
  expect(reachers("tenant").sort()).toEqual([...apps, "operator"].sort());
  expect(reachers("ingest")).toEqual([]);
  for (const app of apps) {
    const callees = Object.keys(environment(least, app)).flatMap(
      (name) => /^(\w+)_SERVICE_URL$/.exec(name)?.[1]?.toLowerCase() ?? [],
    );
    for (const callee of callees) expect(reachers(callee)).toContain(app);
  }
});

test("webhooks reach public addresses only, unless private ones are allowed", async () => {
  const blocks = (objects: KubernetesObject[]) =>
    find(objects, "NetworkPolicy", "payflow-notifier")
      .spec.egress.filter((rule: KubernetesObject) => rule.ports === undefined)
      .flatMap((rule: KubernetesObject) => rule.to.map((to: KubernetesObject) => to.ipBlock.except ?? []));
  expect(blocks(least).flat()).toContain("169.254.0.0/16");
  expect(blocks(least).flat()).toContain("fc00::/7");
  const open = await objectsOf({ ...leastValues, webhooks: { allowPrivate: true } });
  expect(blocks(open).flat()).toBeEmpty();
});

test("an app that is left out leaves nothing of itself, and is not counted as installed", async () => {
  const objects = await objectsOf({ ...leastValues, apps: { ingest: { enabled: false } } });
  expect(objects.filter((one) => one.metadata.name === "payflow-ingest")).toBeEmpty();
  expect(environment(objects, "payment")).toMatchObject({
    INSTALLED_APPS: "tenant,payment,fraud,ledger,notifier",
  });
  expect(environment(least, "payment")).toMatchObject({
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

test("alerts ask for metrics that there are, of this release's pods alone", async () => {
  const objects = await objectsOf({ ...leastValues, monitoring: { rules: true, serviceMonitors: true } });
  const rules = objects.filter(({ kind }) => kind === "PrometheusRule");
  expect(rules).toHaveLength(apps.length + 1);
  const sources = [...new Glob("{apps,packages,operator}/**/src/**/*.ts").scanSync(repositoryRoot)].filter(
    (file) => !file.includes("node_modules"),
  );
  const source = sources.map((file) => readFileSync(path.join(repositoryRoot, file), "utf8")).join("\n");
  for (const { spec, metadata } of rules) {
    for (const { alert, expr, annotations } of spec.groups[0].rules) {
      expect(expr, alert).toContain(`namespace="payments",service="${metadata.name}"`);
      expect(`${expr}${JSON.stringify(annotations)}`).not.toContain("@");
      for (const [metric] of expr.matchAll(/payflow_[a-z_]+/g)) {
        const name = metric.replace(/_(count|sum|bucket)$/, "");
        expect(source.includes(`"${metric}"`) || source.includes(`"${name}"`), metric).toBe(true);
      }
      expect(annotations.summary).toMatch(/[.]$/);
    }
  }
  expect(names(objects, "ServiceMonitor")).toHaveLength(apps.length + 1);
});

test("the file of alerts of each app is one of an app's", () => {
  const files = readdirSync(path.join(chartFolder, "files/rules")).map((file) => file.replace(".yaml", ""));
  expect(files.sort()).toEqual([...apps, "every", "operator"].sort());
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
