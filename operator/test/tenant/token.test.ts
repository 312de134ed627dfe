import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { operatorAudience } from "@payflow/contracts/internal-operator.ts";
import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import type { TestServiceAccount } from "@payflow/testkit/kubernetes/accounts.ts";
import { testCluster } from "@payflow/testkit/kubernetes.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import { tenantKind } from "../../src/tenant/tenant.resource.ts";
import { startApps } from "../setup/apps.ts";
import { installDefinitions, operatorAccount } from "../setup/definitions.ts";
import { OperatorProcess } from "../setup/operator-process.ts";
import { conditionOf, Namespace } from "../setup/resources.ts";

setDefaultTimeout(300_000);

const waiting = { timeoutMs: 150_000, everyMs: 50 };
const tokenFile = path.join(temporaryFolder(), "operator-token");
let apps: RunningInstallation;
let shop: Namespace;
let account: TestServiceAccount;
let operator: OperatorProcess;

beforeAll(async () => {
  const cluster = await testCluster();
  await installDefinitions(cluster);
  const home = await cluster.namespace("payflow");
  shop = await Namespace.make(cluster);
  account = await operatorAccount(cluster, { namespace: home, watched: [shop.name] });
  const verbs = ["create"];
  const reviews = { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs };
  const reviewer = await cluster.serviceAccount({ namespace: home, name: "apps", clusterRules: [reviews] });
  const files = { ca: path.join(temporaryFolder(), "ca.crt"), token: path.join(temporaryFolder(), "token") };
  writeFileSync(files.ca, cluster.authority);
  writeFileSync(files.token, reviewer.token);
  const env = {
    OPERATOR_AUTH: "token_review",
    OPERATOR_ACCOUNTS: `${home}/payflow-operator`,
    KUBERNETES_API_URL: cluster.server,
    KUBERNETES_CA_FILE: files.ca,
    KUBERNETES_TOKEN_FILE: files.token,
  };
  apps = await startApps({ env });
  writeFileSync(tokenFile, await account.tokenFor("somebody-else"));
  operator = await OperatorProcess.start({
    ...{ apps, kubeconfig: account.kubeconfig, namespace: home, watched: [shop.name] },
    env: { OPERATOR_TOKEN_FILE: tokenFile, INTERNAL_SERVICE_SECRET: "" },
  });
}, 300_000);

afterAll(async () => {
  await operator?.stop();
  await apps?.stop();
});

test("apps that ask for the operator's own token take that alone, and a renewed one without a restart", async () => {
  const spec = { displayName: "Acme", contactEmail: "owner@example.com", mode: "test", currency: "INR" };
  await shop.create(tenantKind, "one", spec);
  const condition = async (type: string) => conditionOf(await shop.get(tenantKind, "one"), type);
  // A token for somebody else is refused, which is no fault of the resource.
  await eventually(async () => (await condition("Reconciling"))?.status === "True", waiting);
  expect(await shop.secret("one-api-key")).toBeUndefined();
  expect((await condition("Stalled"))?.status).toBe("False");
  writeFileSync(tokenFile, await account.tokenFor(operatorAudience));
  await eventually(async () => (await condition("Ready"))?.status === "True", waiting);
  expect((await shop.secret("one-api-key"))?.["api-key"]).toMatch(/^pfk_test_/);
  expect(await operator.log()).not.toContain(await Bun.file(tokenFile).text());
});
