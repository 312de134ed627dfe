import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { operatorAudience } from "@payflow/contracts/internal-operator.ts";
import type { TestServiceAccount } from "@payflow/testkit/kubernetes/accounts.ts";
import { type TestCluster, testCluster } from "@payflow/testkit/kubernetes.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import { operatorAuthenticator } from "../src/governing/operator-settings.ts";
import { createInternalHttp } from "../src/http/server.ts";
import { createLogger } from "../src/telemetry/logging.ts";
import { Metrics } from "../src/telemetry/metrics.ts";

setDefaultTimeout(60_000);

const logger = createLogger("test", "silent");
const secret = "the internal secret of a test, long enough";
let cluster: TestCluster;
let namespace: string;
let operator: TestServiceAccount;
let operatorToken: string;
let folder: string;

beforeAll(async () => {
  cluster = await testCluster();
  namespace = await cluster.namespace();
  operator = await cluster.serviceAccount({ namespace, name: "operator" });
  const service = await cluster.serviceAccount({
    namespace,
    name: "service",
    clusterRules: [{ apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] }],
  });
  operatorToken = await operator.tokenFor(operatorAudience);
  folder = temporaryFolder();
  writeFileSync(path.join(folder, "ca.crt"), cluster.authority);
  writeFileSync(path.join(folder, "token"), service.token);
}, 300_000);

function authenticator(way: "token_review" | "jwks", given: { url?: string; accounts?: string } = {}) {
  // The second part of a token says who issued it.
  const issuer = JSON.parse(Buffer.from(operatorToken.split(".")[1] ?? "", "base64url").toString()).iss;
  const made = operatorAuthenticator(
    {
      OPERATOR_AUTH: way,
      OPERATOR_ACCOUNTS: given.accounts ?? `${namespace}/operator`,
      OPERATOR_TOKEN_ISSUER: issuer,
      KUBERNETES_API_URL: given.url ?? cluster.server,
      KUBERNETES_CA_FILE: path.join(folder, "ca.crt"),
      KUBERNETES_TOKEN_FILE: path.join(folder, "token"),
    },
    logger,
  );
  if (made === undefined) throw new Error("tokens are not checked");
  return made;
}

describe.each(["token_review", "jwks"] as const)("by %s", (way) => {
  test("the operator's token for us is accepted, also again", async () => {
    const checking = authenticator(way);
    expect(await checking.isOperator(operatorToken)).toBe(true);
    expect(await checking.isOperator(operatorToken)).toBe(true);
  });

  test("a token for somebody else, of somebody else, or of nobody is refused", async () => {
    const checking = authenticator(way);
    const other = await cluster.serviceAccount({ namespace, name: `other-${way.replace("_", "-")}` });
    const [head = "", body = "", signature = ""] = operatorToken.split(".");
    const mangled = [head, body, `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`].join(".");
    const unsigned = [Buffer.from('{"alg":"none"}').toString("base64url"), body, ""].join(".");
    for (const token of [
      operator.token,
      await operator.tokenFor("another-audience"),
      await other.tokenFor(operatorAudience),
      mangled,
      unsigned,
      "no token at all",
    ]) {
      expect(await checking.isOperator(token)).toBe(false);
    }
    const nobody = authenticator(way, { accounts: `${namespace}/somebody,default/operator` });
    expect(await nobody.isOperator(operatorToken)).toBe(false);
  });

  test("nobody is let in while the cluster cannot be asked", async () => {
    const alone = authenticator(way, { url: "https://127.0.0.1:9" });
    await expect(alone.isOperator(operatorToken)).rejects.toMatchObject({ reason: "unavailable" });
  });
});

test("where tokens are asked for, the internal secret opens services' routes alone", async () => {
  const http = createInternalHttp({
    service: "test",
    title: "Test",
    logger,
    metrics: new Metrics("test"),
    internalSecret: secret,
    operator: authenticator("token_review"),
  });
  const routes = http
    .routes("routes")
    .get("/operator", () => ({}), { access: "operator" })
    .get("/both", () => ({}), { access: "internal or operator" })
    .get("/internal", () => ({}), { access: "internal" });
  const app = http.app().use(routes);
  const statuses = (headers: Record<string, string>) =>
    Promise.all(
      ["operator", "both", "internal"].map(async (name) => {
        return (await app.handle(new Request(`http://test/${name}`, { headers }))).status;
      }),
    );
  expect(await statuses({ "x-internal-token": secret })).toEqual([401, 200, 200]);
  expect(await statuses({ authorization: `Bearer ${operatorToken}` })).toEqual([200, 200, 401]);
  expect(await statuses({})).toEqual([401, 401, 401]);
});

test("a configuration that names nobody's account is refused at the start", () => {
  expect(() => authenticator("jwks", { accounts: "" })).toThrow("OPERATOR_ACCOUNTS is missing");
});
