import { beforeAll, expect, test } from "bun:test";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestCluster, testCluster } from "@payflow/testkit/kubernetes.ts";
import { installDefinitions, operatorAccount } from "../setup/definitions.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await testCluster();
  await installDefinitions(cluster);
}, 120_000);

/** Which of these `verb resource` an account may do in a namespace. */
async function allowed(user: string, namespace: string, asked: readonly string[], name = "") {
  const answers = await Promise.all(
    asked.map(async (one) => {
      const [verb, target = ""] = one.split(" ");
      const [, resource, subresource = "", group = ""] =
        /^([^./]+)(?:\/([^.]+))?(?:\.(.+))?$/.exec(target) ?? [];
      const { body } = await cluster.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
        spec: { user, resourceAttributes: { namespace, verb, resource, subresource, group, name } },
      });
      return body.status.allowed ? [one] : [];
    }),
  );
  return answers.flat();
}

/** The API server hears of bindings, and a controller of what roles aggregate, a moment later. */
async function comesToBe(
  user: string,
  namespace: string,
  asked: readonly string[],
  answer: readonly string[],
  name?: string,
) {
  await eventually(async () => expect(await allowed(user, namespace, asked, name)).toEqual([...answer]));
}

const does = [
  ...["list tenants.payflow.dev", "watch webhookendpoints.payflow.dev", "get fraudpolicies.payflow.dev"],
  ...[
    "patch tenants.payflow.dev",
    "patch fraudpolicies/status.payflow.dev",
    "patch tenants/status.payflow.dev",
  ],
  ...["list secrets", "watch secrets", "create secrets", "patch secrets", "create events.events.k8s.io"],
];
const never = [
  ...["create tenants.payflow.dev", "delete tenants.payflow.dev", "update webhookendpoints.payflow.dev"],
  ...["delete secrets", "deletecollection secrets", "list pods", "create pods", "list configmaps"],
  ...["list leases.coordination.k8s.io", "list namespaces", "get nodes", "create tokenreviews"],
  ...["create rolebindings.rbac.authorization.k8s.io", "impersonate users", "create serviceaccounts/token"],
];

test("the operator that works everywhere may do what it does, and nothing more", async () => {
  const [own, other] = [await cluster.namespace("operator"), await cluster.namespace("shop")];
  const { user } = await operatorAccount(cluster, { namespace: own });
  await comesToBe(user, other, [...does, ...never], does);
  await comesToBe(user, "", ["get namespaces"], ["get namespaces"], "kube-system");
  expect(await allowed(user, "", ["get namespaces"], other)).toEqual([]);
  const lease = ["get leases.coordination.k8s.io", "update leases.coordination.k8s.io"];
  await comesToBe(user, own, lease, lease, "payflow-operator");
  expect(await allowed(user, own, lease, "another")).toEqual([]);
  expect(await allowed(user, other, lease, "payflow-operator")).toEqual([]);
});

test("the operator of some namespaces sees no Secret, and changes nothing, in any other", async () => {
  const [own, shop, other] = [
    await cluster.namespace("operator"),
    await cluster.namespace("shop"),
    await cluster.namespace("other"),
  ];
  const { user } = await operatorAccount(cluster, { namespace: own, watched: [shop] });
  await comesToBe(user, shop, [...does, ...never], does);
  expect(await allowed(user, other, [...does, ...never])).toEqual([]);
  expect(await allowed(user, own, [...does, ...never])).toEqual([]);
});

test("who may view or edit a namespace may view or edit the resources in it, not their status", async () => {
  const namespace = await cluster.namespace("shop");
  const roles = path.join(import.meta.dir, "../../rbac/users.yaml");
  expect((await cluster.kubectl(["apply", "--server-side", "-f", roles])).exitCode).toBe(0);
  for (const role of ["view", "edit"]) {
    await cluster.serviceAccount({ namespace, name: role });
    const words = ["create", "rolebinding", role, "-n", namespace, `--clusterrole=${role}`];
    await cluster.kubectl([...words, `--serviceaccount=${namespace}:${role}`]);
  }
  const asked = [
    "list tenants.payflow.dev",
    "create tenants.payflow.dev",
    "patch tenants/status.payflow.dev",
  ];
  const account = (role: string) => `system:serviceaccount:${namespace}:${role}`;
  await comesToBe(account("view"), namespace, asked, asked.slice(0, 1));
  await comesToBe(account("edit"), namespace, asked, asked.slice(0, 2));
});
