import { beforeAll, expect, test } from "bun:test";
import { isWrite } from "../src/kubernetes/audit-log.ts";
import { ownTestCluster, type TestCluster, testCluster } from "../src/kubernetes.ts";

const buildMs = 30 * 60_000;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await testCluster();
}, buildMs);

test("an account may do what its rules say and no more, by kubeconfig and by token", async () => {
  const namespace = await cluster.namespace();
  const reader = await cluster.serviceAccount({
    namespace,
    name: "reader",
    rules: [{ apiGroups: [""], resources: ["secrets"], verbs: ["get", "list"] }],
    clusterRules: [{ apiGroups: [""], resources: ["namespaces"], verbs: ["list"] }],
  });
  const { kubeconfig } = reader;
  expect(await cluster.kubectl(["get", "secrets"], { kubeconfig })).toMatchObject({ exitCode: 0 });
  expect(await cluster.kubectl(["get", "namespaces"], { kubeconfig })).toMatchObject({ exitCode: 0 });
  const refused = await cluster.kubectl(["create", "secret", "generic", "one"], { kubeconfig });
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain(`User "${reader.user}" cannot create resource "secrets"`);

  const answer = await fetch(`${cluster.server}/api/v1/namespaces/${namespace}/secrets`, {
    headers: { authorization: `Bearer ${reader.token}` },
    tls: { ca: cluster.authority },
  });
  expect(answer.status).toBe(200);
}, 60_000);

test("a token for another audience is known by its review, and does not open the API server", async () => {
  const namespace = await cluster.namespace();
  const account = await cluster.serviceAccount({ namespace, name: "caller" });
  const token = await account.tokenFor("payflow-internal");
  const review = async (audience: string) => {
    const spec = { token, audiences: [audience] };
    return (await cluster.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", { spec })).body
      .status;
  };
  expect(await review("payflow-internal")).toMatchObject({
    authenticated: true,
    user: { username: account.user },
    audiences: ["payflow-internal"],
  });
  expect((await review("another")).authenticated).not.toBe(true);
  const answer = await fetch(`${cluster.server}/api/v1/namespaces/${namespace}/secrets`, {
    headers: { authorization: `Bearer ${token}` },
    tls: { ca: cluster.authority },
  });
  expect(answer.status).toBe(401);
});

test("the audit log tells a user's writes from its reads, and those of one user from all others'", async () => {
  const namespace = await cluster.namespace();
  const account = await cluster.serviceAccount({
    namespace,
    name: "writer",
    rules: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["*"] }],
  });
  const mark = await cluster.audit.mark();
  const { kubeconfig } = account;
  await cluster.kubectl(["create", "configmap", "one"], { kubeconfig });
  await cluster.kubectl(["get", "configmap", "one"], { kubeconfig });
  await cluster.kubectl(["delete", "configmap", "missing"], { kubeconfig });
  await cluster.request("POST", `/api/v1/namespaces/${namespace}/configmaps`, { metadata: { name: "two" } });

  const requests = (await cluster.audit.since(mark, account.user)).filter(
    ({ resource }) => resource === "configmaps",
  );
  expect(requests.map(({ verb, name, status }) => [verb, name, status])).toEqual([
    ["create", "one", 201],
    ["get", "one", 200],
    ["delete", "missing", 404],
  ]);
  expect(requests.filter(isWrite)).toHaveLength(2);
  const all = await cluster.audit.since(mark);
  expect(all.filter((one) => isWrite(one) && one.namespace === namespace)).toHaveLength(3);
  expect(await cluster.audit.since(await cluster.audit.mark(), account.user)).toBeEmpty();
}, 60_000);

test("a cluster of one's own has its objects still after its parts were killed", async () => {
  const own = await ownTestCluster();
  const namespace = await own.namespace();
  await own.stop("kube-apiserver");
  expect(
    await own.request("GET", "/readyz").then(
      () => "answers",
      () => "away",
    ),
  ).toBe("away");
  await own.start("kube-apiserver");
  expect((await own.request("GET", `/api/v1/namespaces/${namespace}`)).status).toBe(200);
  await own.stop();
  await own.start();
  expect((await own.request("GET", `/api/v1/namespaces/${namespace}`)).status).toBe(200);
  await own.stop();
}, 120_000);
