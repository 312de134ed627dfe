import { beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import path from "node:path";
import { helmBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { isGlobalAddress } from "../../../apps/notifier/src/sending/address-guard.ts";
import { environmentOf, find, type KubernetesObject, leastValues, objectsOf } from "./chart.ts";
import { type End, isLet, podsOf } from "./connections.ts";

const buildMs = 30 * 60_000;
const apps = platform.apps.map(({ name }) => name);
let least: KubernetesObject[];

beforeAll(async () => {
  await helmBinary();
  least = await objectsOf(leastValues);
}, buildMs);

const stranger: End = { labels: { app: "shop" }, namespace: { "kubernetes.io/metadata.name": "shop" } };
const prometheus: End = {
  labels: { "app.kubernetes.io/name": "prometheus" },
  namespace: { "kubernetes.io/metadata.name": "monitoring" },
};
const neighbour: End = { labels: { app: "backup" } };
const at = (address: string): End => ({ address });

/** Whose internal routes somebody is told of. */
const calleesOf = (name: string) =>
  Object.keys(environmentOf(least, name)).flatMap(
    (variable) => /^(\w+)_SERVICE_URL$/.exec(variable)?.[1]?.toLowerCase() ?? [],
  );

test("an app's internal port is reached by those who call it, and by nobody else", () => {
  const reached = (caller: string, callee: string) =>
    isLet(least, podsOf(least, caller), podsOf(least, callee), "internal");
  for (const caller of [...apps, "operator"]) {
    const callees = [...apps, "operator"].filter((callee) => reached(caller, callee));
    expect(callees.sort(), caller).toEqual(calleesOf(caller).sort());
  }
  for (const app of [...apps, "operator"]) {
    for (const somebody of [stranger, prometheus, neighbour, at("10.1.2.3"), at("203.0.114.7")]) {
      expect(isLet(least, somebody, podsOf(least, app), "internal"), app).toBe(false);
    }
  }
});

test("public ports are open to whom the values say, and to helm test; our own apps have no business there", async () => {
  const gateway = { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "gateways" } } };
  const balancer = { ipBlock: { cidr: "10.8.0.0/16" } };
  const narrow = await objectsOf({ ...leastValues, networkPolicy: { publicFrom: [gateway, balancer] } });
  const test: End = { labels: find(least, "Pod", "payflow-first-payment").metadata.labels };
  const inGateways: End = { labels: {}, namespace: { "kubernetes.io/metadata.name": "gateways" } };
  for (const app of apps) {
    const target = podsOf(least, app);
    expect(isLet(least, stranger, target, "http"), app).toBe(true);
    expect(isLet(narrow, stranger, target, "http"), app).toBe(false);
    expect(isLet(narrow, inGateways, target, "http"), app).toBe(true);
    expect(isLet(narrow, at("10.8.0.9"), target, "http"), app).toBe(true);
    expect(isLet(narrow, at("10.9.0.9"), target, "http"), app).toBe(false);
    expect(isLet(narrow, test, target, "http"), app).toBe(["tenant", "payment", "ledger"].includes(app));
    for (const other of apps.filter((name) => name !== app)) {
      // Notifier may go to private addresses only where the values say so.
      expect(isLet(least, podsOf(least, other), target, "http"), `${other} to ${app}`).toBe(false);
    }
  }
  expect(isLet(narrow, stranger, test, 80)).toBe(false);
});

test("metrics are read by whom the values say, on the internal port alone", async () => {
  const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } };
  const watched = await objectsOf({
    ...leastValues,
    networkPolicy: { metricsFrom: [{ namespaceSelector }], publicFrom: [{ podSelector: {} }] },
  });
  for (const app of [...apps, "operator"]) {
    expect(isLet(watched, prometheus, podsOf(watched, app), "internal"), app).toBe(true);
    expect(isLet(watched, stranger, podsOf(watched, app), "internal"), app).toBe(false);
    if (app !== "operator") expect(isLet(watched, prometheus, podsOf(watched, app), "http"), app).toBe(false);
  }
});

test("stores are reached on their ports where the values say they are: by address, or as pods", async () => {
  const namespaceSelector = { matchLabels: { team: "data" } };
  const database: End = { labels: { "cnpg.io/cluster": "payments" }, namespace: { team: "data" } };
  const narrow = await objectsOf({
    ...leastValues,
    networkPolicy: { storeCidrs: ["10.20.0.0/16"], storePeers: [{ namespaceSelector }], storePorts: [5432] },
  });
  for (const app of apps) {
    const pods = podsOf(narrow, app);
    expect(isLet(least, pods, at("10.20.0.5"), 5432), app).toBe(true);
    expect(isLet(least, pods, database, 5432), app).toBe(true);
    expect(isLet(narrow, pods, at("10.20.0.5"), 5432), app).toBe(true);
    expect(isLet(narrow, pods, database, 5432), app).toBe(true);
    expect(isLet(narrow, pods, at("10.20.0.5"), 6379), app).toBe(false);
    expect(isLet(narrow, pods, at("10.21.0.5"), 5432), app).toBe(false);
    expect(isLet(narrow, pods, stranger, 5432), app).toBe(false);
  }
  expect(isLet(least, podsOf(least, "operator"), at("10.20.0.5"), 5432)).toBe(false);
});

test("a trial's stores are reached by its own apps and by nobody else, and reach nobody", async () => {
  const trial = await objectsOf({ dev: { enabled: true, kafka: { enabled: true } } });
  const stores = { postgresql: 5432, "redis-cache": 6379, "redis-durable": 6379, kafka: 9092 };
  for (const [name, port] of Object.entries(stores)) {
    const store = podsOf(trial, name);
    for (const app of apps) {
      expect(isLet(trial, podsOf(trial, app), store, port), `${app} to ${name}`).toBe(true);
      expect(isLet(trial, store, podsOf(trial, app), "http"), `${name} to ${app}`).toBe(false);
    }
    expect(isLet(trial, podsOf(trial, "operator"), store, port)).toBe(false);
    for (const one of [stranger, neighbour]) expect(isLet(trial, one, store, port)).toBe(false);
    expect(isLet(trial, store, at("198.51.101.1"), 443)).toBe(false);
  }
});

test("the cluster's API is reached by the operator and by those who ask it about tokens", async () => {
  const narrow = await objectsOf({
    ...leastValues,
    networkPolicy: { apiServerCidrs: ["10.0.0.1/32"], exportCidrs: ["10.9.0.0/16"] },
  });
  const asking = [...apps, "operator"].filter((app) =>
    isLet(narrow, podsOf(narrow, app), at("10.0.0.1"), 443),
  );
  expect(asking.sort()).toEqual(["fraud", "notifier", "operator", "tenant"]);
  for (const app of asking) expect(isLet(narrow, podsOf(narrow, app), at("10.0.0.2"), 443), app).toBe(false);
});

test("webhooks go to public addresses only, as the app itself judges them, and nobody reaches a cloud's metadata", async () => {
  const said = {
    storeCidrs: ["10.20.0.0/16"],
    apiServerCidrs: ["10.0.0.1/32"],
    exportCidrs: ["10.9.0.0/16"],
  };
  const narrow = await objectsOf({ ...leastValues, networkPolicy: said });
  const notifier = podsOf(narrow, "notifier");
  for (const address of addresses()) {
    for (const port of [80, 443, 8443]) {
      expect(isLet(narrow, notifier, at(address), port), address).toBe(isGlobalAddress(address));
    }
  }
  for (const app of [...apps, "operator"]) {
    expect(isLet(least, podsOf(least, app), at("169.254.169.254"), 80), app).toBe(false);
    expect(isLet(narrow, podsOf(narrow, app), at("fd00:ec2::254"), 443), app).toBe(false);
    if (app !== "notifier") {
      expect(isLet(narrow, podsOf(narrow, app), at("198.51.101.1"), 443), app).toBe(false);
    }
  }
  const open = await objectsOf({ ...leastValues, webhooks: { allowPrivate: true } });
  expect(isLet(open, podsOf(open, "notifier"), stranger, 8080)).toBe(true);
});

/** The ends of every range that the notifier's own policy leaves out, and one address beyond each. */
function addresses(): string[] {
  const blocks = find(least, "NetworkPolicy", "payflow-notifier").spec.egress.flatMap(
    (rule: KubernetesObject) =>
      (rule.to ?? []).flatMap(({ ipBlock }: KubernetesObject) => ipBlock?.except ?? []),
  );
  const named = blocks.flatMap((cidr: string) => cidr.slice(0, cidr.indexOf("/")));
  return [
    ...named,
    ...["8.8.8.8", "9.255.255.255", "10.255.255.255", "11.0.0.1", "100.63.255.255", "100.100.100.200"],
    ...["100.128.0.1", "126.0.0.1", "128.0.0.1", "169.253.0.1", "169.254.169.254", "172.15.0.1"],
    ...["172.31.255.255", "172.32.0.1", "192.0.1.1", "192.167.0.1", "192.168.255.1", "198.17.0.1"],
    ...["198.20.0.1", "223.255.255.1", "224.0.0.1", "239.1.1.1", "255.255.255.255"],
    ...["2600::1", "2a00::1", "2001:200::1", "2001:4860:4860::8888", "2003::1", "2620:4f:8001::1"],
    ...[
      "::1",
      "::ffff:10.0.0.1",
      "64:ff9b::a00:1",
      "fc00::1",
      "fd00:ec2::254",
      "fe80::1",
      "ff02::1",
      "4000::1",
    ],
  ];
}

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
  const rules: KubernetesObject[] = find(objects, "HTTPRoute", "payflow").spec.rules;
  const routes = rules.flatMap((rule) =>
    rule.matches.map((match: KubernetesObject) => [match.path.value, rule.backendRefs[0]]),
  );
  const entries: KubernetesObject[] = find(objects, "Ingress", "payflow").spec.rules[0].http.paths;
  const leadsTo = (one: string) => ({
    gateway: routes.filter(([prefix]) => isBelow(one, prefix)).map(([, to]) => to),
    ingress: entries.filter((entry) => isBelow(one, entry.path)).map((entry) => entry.backend.service),
  });
  for (const { name, place } of platform.apps) {
    for (const one of publicPaths(name)) {
      const app = `payflow-${name}`;
      expect(leadsTo(one)).toEqual({
        gateway: [{ name: app, port: 3000 + place }],
        ingress: [{ name: app, port: { name: "http" } }],
      });
    }
  }
  const inside = ["/internal", "/internal/v1/keys/verify", "/metrics", "/livez", "/readyz", "/", "/docs"];
  const tricks = [
    "//internal",
    "/%69nternal",
    "/INTERNAL/v1",
    "/payments-internal",
    "/./internal",
    "/v1internal",
  ];
  for (const one of [...inside, ...tricks]) expect(leadsTo(one), one).toEqual({ gateway: [], ingress: [] });
  // What a proxy makes of `/payments/../internal` does not matter: no route has an internal port behind it.
  const kinds = [
    ...rules.flatMap(({ matches }) => matches.map(({ path: { type } }: KubernetesObject) => type)),
  ];
  expect(new Set([...kinds, ...entries.map(({ pathType }) => pathType)])).toEqual(
    new Set(["PathPrefix", "Prefix"]),
  );
  expect(JSON.stringify([routes, entries])).not.toMatch(/internal|40\d\d/);
});

/** As the Gateway API and Ingress compare prefixes: by whole parts of the path. */
const isBelow = (one: string, prefix: string) => one === prefix || one.startsWith(`${prefix}/`);
