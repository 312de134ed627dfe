import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import path from "node:path";
import { nodeObstacle } from "@payflow/one-machine/cluster/node/obstacle.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import postgres from "postgres";
import { WebhookReceiver } from "../../demo/receiver.ts";
import { examples, type KubernetesObject } from "../chart/chart.ts";
import { call } from "../platform/platform.ts";
import { InstalledPayFlow } from "./installed.ts";

const obstacle = nodeObstacle();
if (obstacle !== null) console.log(`Tests of the chart on a node are skipped. ${obstacle}`);
const patienceMs = 400_000;
const definitions = ["fraudpolicies", "tenants", "webhookendpoints"].map(
  (plural) => `customresourcedefinition.apiextensions.k8s.io/${plural}.payflow.dev`,
);

describe.skipIf(obstacle !== null)("helm install on a cluster with a node", () => {
  let payflow: InstalledPayFlow;
  const receiver = new WebhookReceiver();
  let webhookAddress = "";

  beforeAll(async () => {
    payflow = await InstalledPayFlow.prepare();
    webhookAddress = await payflow.cluster.expose(Number(new URL(receiver.url).port));
  }, 30 * 60_000);
  afterAll(async () => {
    await receiver.close();
    await payflow?.close();
  }, patienceMs);

  const apply = (name: string) => payflow.kubectl(["apply", "-f", path.join(examples, "resources", name)]);
  const wait = (condition: string, what: string) =>
    payflow.kubectl(["wait", `--for=${condition}`, what, "--timeout=90s"]);
  const sumOf = (accounts: readonly { debits: number; credits: number }[]) =>
    accounts.reduce((sum, { debits, credits }) => sum + debits - credits, 0);

  test(
    "brings every app and the operator up, confined as strictly as Kubernetes can demand",
    async () => {
      await payflow.install();
      const { items } = await payflow.read("pods", "--selector", "app.kubernetes.io/instance=payflow");
      expect(items.length).toBe(8);
      for (const { metadata, status } of items as KubernetesObject[]) {
        const [container] = status.containerStatuses;
        const facts = { name: metadata.name, ready: container.ready, restarts: container.restartCount };
        expect(facts).toEqual({ name: metadata.name, ready: true, restarts: 0 });
      }
      await payflow.open();
    },
    patienceMs,
  );

  test(
    "helm test makes a payment, and the ledger sums to zero",
    async () => {
      expect(await payflow.helm(["test", "payflow", "--logs"])).toContain("sums to zero");
    },
    patienceMs,
  );

  test(
    "a Tenant becomes a Secret, its key pays, the webhook is signed as the endpoint's Secret says, the ledger books",
    async () => {
      await apply("tenant.yaml");
      await wait("condition=Ready", "tenant/chai-point");
      const { "api-key": key = "" } = await payflow.secret("chai-point-api-key");
      const endpoint = {
        apiVersion: "payflow.dev/v1alpha1",
        kind: "WebhookEndpoint",
        metadata: { name: "orders" },
        spec: {
          tenantRef: { name: "chai-point" },
          mode: "test",
          url: `http://${webhookAddress}/webhooks`,
          events: ["payment.settled"],
        },
      };
      await payflow.kubectl(["apply", "-f", "-"], endpoint);
      await wait("condition=Ready", "webhookendpoint/orders");
      receiver.trust((await payflow.secret("orders-signing-secret"))["signing-secret"] ?? "");

      const body = { amount: 120_000, currency: "INR" };
      const paid = await call(`${payflow.url("payment")}/payments`, "POST", { key, body });
      expect([paid.status, paid.body.status]).toEqual([201, "succeeded"]);
      await eventually(() => receiver.distinct("payment.settled").length === 1, { timeoutMs: 60_000 });
      expect(JSON.stringify(receiver.received)).toContain(paid.body.payment_id);
      expect(receiver.refused).toBe(0);
      const accounts = await eventually(async () => {
        const { body: answer } = await call(`${payflow.url("ledger")}/ledger/accounts`, "GET", { key });
        return answer.data.length > 0 && answer.data;
      });
      expect(sumOf(accounts)).toBe(0);
    },
    patienceMs,
  );

  test(
    "uninstalling leaves definitions, resources, their Secrets and all data; installing again takes them up",
    async () => {
      const { "api-key": key = "" } = await payflow.secret("chai-point-api-key");
      const before = await payments();
      await payflow.helm(["uninstall", "payflow", "--wait", "--timeout", "3m"]);
      // Helm waits for Deployments; their pods end what they have accepted.
      await eventually(async () => expect(await leftOvers()).toEqual(definitions), {
        ...{ timeoutMs: 60_000, everyMs: 500 },
      });
      expect(await payflow.kubectl(["get", "tenants,webhookendpoints", "--output", "name"])).toContain(
        "tenant.payflow.dev/chai-point",
      );
      expect(await payments()).toEqual(before);

      await payflow.install();
      await payflow.open();
      const paid = await call(`${payflow.url("payment")}/payments`, "POST", {
        ...{ key, body: { amount: 500, currency: "INR" } },
      });
      expect(paid.status).toBe(201);
      await eventually(() => receiver.distinct("payment.settled").length === 2, { timeoutMs: 60_000 });
      expect(await payments()).toHaveLength(before.length + 1);
    },
    2 * patienceMs,
  );

  async function payments(): Promise<string[]> {
    const sql = postgres(payflow.databaseUrl("payment"), { max: 1, onnotice: () => {} });
    try {
      return (await sql`select id from payment order by id`).map((row) => String(row.id));
    } finally {
      await sql.end({ timeout: 2 });
    }
  }

  /** What the release has left in its namespace or for the whole cluster. */
  async function leftOvers(): Promise<string[]> {
    const kinds =
      "pods,deployments,statefulsets,services,serviceaccounts,networkpolicies,poddisruptionbudgets,configmaps," +
      "secrets,roles,rolebindings,clusterroles,clusterrolebindings,leases,jobs,customresourcedefinitions";
    const selector = "app.kubernetes.io/instance=payflow";
    const found = await payflow.kubectl(["get", kinds, "--selector", selector, "--output", "name"]);
    return found
      .split("\n")
      .filter((line) => line !== "")
      .sort();
  }
});
