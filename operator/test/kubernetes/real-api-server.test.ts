import { afterAll, beforeAll, expect, test } from "bun:test";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestCluster, testCluster } from "@payflow/testkit/kubernetes.ts";
import { ObjectCache } from "../../src/kubernetes/cache/object-cache.ts";
import { startReflector } from "../../src/kubernetes/cache/reflector.ts";
import { KubernetesClient } from "../../src/kubernetes/client/client.ts";
import { kubeconfigAccess } from "../../src/kubernetes/client/cluster-access.ts";
import { createTransport } from "../../src/kubernetes/client/transport.ts";
import { startElection } from "../../src/kubernetes/election/election.ts";
import type { Lease } from "../../src/kubernetes/election/lease-record.ts";
import { createEventRecorder } from "../../src/kubernetes/events/event-recorder.ts";
import { addFinalizer, removeFinalizer } from "../../src/kubernetes/objects/finalizers.ts";
import type { KubernetesObject, ResourceKind } from "../../src/kubernetes/objects/object.ts";
import { createApplier, keepManager } from "../../src/kubernetes/objects/server-side-apply.ts";

interface Secret extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

const core = (plural: string, kind: string): ResourceKind => ({
  ...{ group: "", version: "v1", plural, kind, isNamespaced: true },
});
const configMaps = core("configmaps", "ConfigMap");
const secrets = core("secrets", "Secret");
const logger = createLogger("test", "silent");
const closing: (() => unknown)[] = [];
let cluster: TestCluster;
let namespace: string;
let client: KubernetesClient;

/** As a ServiceAccount that may do in its namespace what the machinery needs. */
beforeAll(async () => {
  cluster = await testCluster();
  namespace = await cluster.namespace("machinery");
  const verbs = ["get", "list", "watch", "create", "update", "patch", "delete"];
  const rules = [
    { apiGroups: [""], resources: ["configmaps", "secrets"], verbs },
    { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "create", "update"] },
    { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
  ];
  const account = await cluster.serviceAccount({ namespace, name: "operator", rules });
  client = await connect(account.kubeconfig);
}, 60_000);

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

async function connect(kubeconfig: string): Promise<KubernetesClient> {
  const metrics = new Metrics("test");
  const access = await kubeconfigAccess(kubeconfig);
  return new KubernetesClient({
    transport: createTransport({ access, userAgent: "machinery-test", logger, metrics }),
  });
}

const configMap = (name: string, text = "") => ({ metadata: { namespace, name }, data: { text } });

test("the account gets through by its token, and no further than its role", async () => {
  await client.create(configMaps, configMap("mine"));
  expect((await client.get(configMaps, { namespace, name: "mine" }))?.metadata.uid).toBeString();
  expect(await client.get(configMaps, { namespace, name: "absent" })).toBeUndefined();
  await expect(client.list(configMaps, "kube-system")).rejects.toMatchObject({ status: 403 });
  await expect(client.create(configMaps, configMap("mine"))).rejects.toMatchObject({
    reason: "AlreadyExists",
  });
});

test("a cache follows the server, and lists anew when its version is too old for the server", async () => {
  const cache = new ObjectCache<KubernetesObject>();
  cache.replace([], "1");
  const reflector = startReflector({
    ...{ client, kind: configMaps, namespace, cache, logger, onChange() {} },
    backoff: { firstMs: 1, maxMs: 50 },
  });
  closing.push(() => reflector.stop());
  const keys = async () => {
    const { items } = await client.list(configMaps, namespace);
    return items.map(({ metadata }) => [metadata.name, metadata.resourceVersion]).sort();
  };
  const cached = () =>
    cache
      .values()
      .map(({ metadata }) => [metadata.name, metadata.resourceVersion])
      .sort();
  await eventually(async () => expect(cached()).toEqual(await keys()));
  await eventually(() => reflector.isFollowing());
  for (let count = 0; count < 30; count += 1)
    await client.create(configMaps, configMap(`many-${count}`, "größer 💸"));
  for (let count = 0; count < 30; count += 3)
    await client.remove(configMaps, { namespace, name: `many-${count}` });
  await eventually(async () => expect(cached()).toEqual(await keys()));
  expect(cache.size).toBeGreaterThanOrEqual(20);
});

test("applying writes once, again only where something of ours differs, and refuses another version", async () => {
  const applier = createApplier(client, "machinery");
  const name = { namespace, name: "applied" };
  const read = async () => keepManager((await client.get<Secret>(secrets, name)) as Secret, "machinery");
  const value = (text: string) => Buffer.from(text).toString("base64");
  const desired = {
    metadata: { ...name, labels: { part: "keys" } },
    data: { one: value("1"), two: value("2") },
  };
  await applier.apply<Secret>(secrets, desired);
  const live = await read();
  expect(await applier.apply(secrets, desired, live)).toBe(live);

  const fewer = { ...desired, data: { one: value("1") } };
  expect((await applier.apply<Secret>(secrets, fewer, live)).data).toEqual({ one: value("1") });

  await cluster.request("PATCH", `/api/v1/namespaces/${namespace}/secrets/applied`, {
    data: { one: value("edited"), foreign: value("kept") },
  });
  const edited = await read();
  expect(edited.data?.one).toBe(value("edited"));
  const stale = {
    ...fewer,
    metadata: { ...fewer.metadata, resourceVersion: live.metadata.resourceVersion ?? "" },
  };
  await expect(applier.apply(secrets, stale, edited)).rejects.toMatchObject({ status: 409 });
  const restored = await applier.apply<Secret>(secrets, fewer, edited);
  expect(restored.data).toEqual({ one: value("1"), foreign: value("kept") });
  const settled = await read();
  expect(await applier.apply(secrets, fewer, settled)).toBe(settled);
});

test("a finalizer holds what was deleted until it is taken away", async () => {
  const made = await client.create(configMaps, configMap("held"));
  const held = await addFinalizer(client, configMaps, made, "machinery.test/held");
  await client.remove(configMaps, held.metadata);
  const deleted = await client.get(configMaps, held.metadata);
  expect(deleted?.metadata.deletionTimestamp).toBeString();
  await removeFinalizer(client, configMaps, deleted ?? held, "machinery.test/held");
  expect(await client.get(configMaps, held.metadata)).toBeUndefined();
});

test("the server takes leases as we write them, and hands the lead on", async () => {
  const tokens: number[] = [];
  const candidate = (identity: string) => {
    const election = startElection({
      ...{ client, identity, logger, metrics: new Metrics("test"), lease: { namespace, name: "leader" } },
      timing: { leaseMs: 3_000, renewMs: 2_000, everyMs: 100 },
      lead(term) {
        tokens.push(term.token.transitions);
        return new Promise((resolve) => term.signal.addEventListener("abort", () => resolve()));
      },
    });
    closing.push(() => election.stop());
    return election;
  };
  const first = candidate("first");
  await eventually(() => first.isLeading());
  const second = candidate("second");
  const lease = async () => {
    const answer = await cluster.request(
      "GET",
      `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/leader`,
    );
    return answer.body as Lease;
  };
  const begun = await lease();
  await eventually(async () => (await lease()).spec?.renewTime !== begun.spec?.renewTime);
  await first.stop();
  await eventually(() => second.isLeading());
  expect((await lease()).spec?.holderIdentity).toBe("second");
  expect(tokens).toEqual([1, 2]);
});

test("the server takes Events as we write them, with their counts", async () => {
  let now = Date.now();
  const recorder = createEventRecorder({
    ...{ client, controller: "machinery.test/operator", instance: "one", logger, now: () => now },
  });
  const object = await client.create(configMaps, configMap("eventful"));
  const happening = {
    type: "Warning",
    reason: "Refused",
    action: "Apply",
    note: "The name is taken.",
  } as const;
  for (let count = 0; count < 3; count += 1) recorder.record(configMaps, object, happening);
  now += 61_000;
  await recorder.flush();
  const { stdout } = await cluster.kubectl(["get", "events.events.k8s.io", "-n", namespace, "-o", "json"]);
  expect(JSON.parse(stdout).items).toMatchObject([
    { reason: "Refused", regarding: { name: "eventful" }, series: { count: 3 } },
  ]);
});
