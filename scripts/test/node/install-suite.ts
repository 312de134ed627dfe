import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import postgres from "postgres";
import { WebhookReceiver } from "../../demo/receiver.ts";
import { examples, type KubernetesObject } from "../chart/chart.ts";
import { call } from "../platform/platform.ts";
import type { InstalledPayFlow } from "./installed.ts";

const patienceMs = 400_000;
const definitions = ["fraudpolicies", "tenants", "webhookendpoints"].map(
  (plural) => `customresourcedefinition.apiextensions.k8s.io/${plural}.payflow.dev`,
);
/** Of what a release makes in its namespace, or for the whole cluster. */
const kinds =
  "pods,deployments,statefulsets,services,serviceaccounts,networkpolicies,poddisruptionbudgets,configmaps," +
  "secrets,roles,rolebindings,clusterroles,clusterrolebindings,leases,jobs,customresourcedefinitions";

/** Installs the release, has `underWay` tried on it, and takes it away and back. */
export function installTests(payflow: () => InstalledPayFlow, underWay: () => void): void {
  describe("helm install", () => {
    const receiver = new WebhookReceiver();
    let webhookAddress = "";

    beforeAll(async () => {
      webhookAddress = await payflow().cluster.expose(Number(new URL(receiver.url).port));
      await payflow().install();
      await payflow().open();
    }, patienceMs);
    afterAll(() => receiver.close());

    const apply = (...words: string[]) => payflow().kubectl(["apply", ...words]);
    const wait = (condition: string, what: string) =>
      payflow().kubectl(["wait", `--for=${condition}`, what, "--timeout=90s"]);

    test("brings every app and the operator up, confined as strictly as Kubernetes can demand", async () => {
      const pods = await payflow().pods();
      expect(pods.length).toBe(8);
      for (const { metadata, status } of pods) {
        const [container] = status.containerStatuses;
        const facts = { name: metadata.name, ready: container.ready, restarts: container.restartCount };
        expect(facts).toEqual({ name: metadata.name, ready: true, restarts: 0 });
      }
    });

    test(
      "helm test makes a payment, and the ledger sums to zero",
      async () => {
        expect(await payflow().helm(["test", "payflow", "--logs"])).toContain("sums to zero");
      },
      patienceMs,
    );

    test(
      "a Tenant becomes a Secret, its key pays, the webhook is signed as the endpoint's Secret says, the ledger books",
      async () => {
        await apply("-f", path.join(examples, "resources/tenant.yaml"));
        await wait("condition=Ready", "tenant/chai-point");
        const { "api-key": key = "" } = await payflow().secret("chai-point-api-key");
        await payflow().kubectl(["apply", "-f", "-"], endpoint(`http://${webhookAddress}/webhooks`));
        await wait("condition=Ready", "webhookendpoint/orders");
        receiver.trust((await payflow().secret("orders-signing-secret"))["signing-secret"] ?? "");

        const paid = await pay(key, 120_000);
        expect([paid.status, paid.body.status]).toEqual([201, "succeeded"]);
        await eventually(() => receiver.distinct("payment.settled").length === 1, { timeoutMs: 60_000 });
        expect(JSON.stringify(receiver.received)).toContain(paid.body.payment_id);
        expect(receiver.refused).toBe(0);
        const accounts = await eventually(async () => {
          const { body: answer } = await call(`${payflow().url("ledger")}/ledger/accounts`, "GET", { key });
          return answer.data.length > 0 && answer.data;
        });
        expect(sumOf(accounts)).toBe(0);
      },
      patienceMs,
    );

    test(
      "a shop of the kustomize example becomes a Secret too",
      async () => {
        const made = await apply("--kustomize", path.join(examples, "kustomize/staging"), "-o", "name");
        for (const name of made.split("\n")) await wait("condition=Ready", name);
        const [tenant] = made.split("\n").filter((name) => name.startsWith("tenant."));
        const secret = `${tenant?.split("/")[1]}-api-key`;
        expect((await payflow().secret(secret))["api-key"]).toStartWith("pfk_test_");
      },
      patienceMs,
    );

    underWay();

    test(
      "uninstalling leaves definitions, resources, their Secrets and all data; installing again takes them up",
      async () => {
        const { "api-key": key = "" } = await payflow().secret("chai-point-api-key");
        const before = await payments();
        await payflow().helm(["uninstall", "payflow", "--wait", "--timeout", "3m"]);
        // Helm waits for Deployments; their pods end what they have accepted.
        const patience = { timeoutMs: 60_000, everyMs: 250 };
        await eventually(async () => expect(await payflow().pods()).toEqual([]), patience);
        await eventually(async () => expect(await leftOvers()).toEqual(definitions), patience);
        expect(await payflow().kubectl(["get", "tenants,webhookendpoints", "--output", "name"])).toContain(
          "tenant.payflow.dev/chai-point",
        );
        expect(await payments()).toEqual(before);

        await payflow().install(payflow().values({ apps: { ledger: { autoscaling } } }));
        await payflow().open();
        const paid = await pay(key, 500);
        expect(paid.status).toBe(201);
        await eventually(() => receiver.distinct("payment.settled").length === 2, { timeoutMs: 60_000 });
        expect(await payments()).toHaveLength(before.length + 1);
      },
      2 * patienceMs,
    );

    test(
      "an autoscaled app comes up where nobody measures processors too, and its autoscaler says that",
      async () => {
        const group = "/apis/autoscaling/v2/namespaces";
        const url = `${group}/${payflow().namespace}/horizontalpodautoscalers/payflow-ledger`;
        await eventually(
          async () => {
            const { status } = (await payflow().cluster.request("GET", url)).body;
            const told = status.conditions.map(
              (one: KubernetesObject) => `${one.type} ${one.status} ${one.reason}`,
            );
            expect(told).toContain("AbleToScale True SucceededGetScale");
            expect(told).toContain("ScalingActive False FailedGetResourceMetric");
          },
          { timeoutMs: 90_000, everyMs: 250 },
        );
        expect(await payflow().pods("ledger")).toHaveLength(1);
      },
      patienceMs,
    );

    /** Repeats what broke off, as shops do: a connection kept since before an uninstall leads nowhere. */
    const pay = (key: string, amount: number) => {
      const request = { key, body: { amount, currency: "INR" }, idempotencyKey: randomUUID() };
      return eventually(() => call(`${payflow().url("payment")}/payments`, "POST", request));
    };

    async function payments(): Promise<string[]> {
      const sql = postgres(payflow().databaseUrl("payment"), { max: 1, onnotice: () => {} });
      try {
        return (await sql`select id from payment order by id`).map((row) => String(row.id));
      } finally {
        await sql.end({ timeout: 2 });
      }
    }

    /** What the release has left in its namespace or for the whole cluster. */
    async function leftOvers(): Promise<string[]> {
      const selector = "app.kubernetes.io/instance=payflow";
      const found = await payflow().kubectl(["get", kinds, "--selector", selector, "--output", "name"]);
      return found
        .split("\n")
        .filter((line) => line !== "")
        .sort();
    }
  });
}

function endpoint(url: string): KubernetesObject {
  return {
    apiVersion: "payflow.dev/v1alpha1",
    kind: "WebhookEndpoint",
    metadata: { name: "orders" },
    spec: { tenantRef: { name: "chai-point" }, mode: "test", url, events: ["payment.settled"] },
  };
}

const autoscaling = { kind: "hpa", minReplicas: 1, maxReplicas: 3 };

const sumOf = (accounts: readonly { debits: number; credits: number }[]) =>
  accounts.reduce((sum, { debits, credits }) => sum + debits - credits, 0);
