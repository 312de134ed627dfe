import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CoordinationV1Api, CoreV1Api } from "@kubernetes/client-node";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import { KubernetesClient } from "../../src/kubernetes/client/client.ts";
import {
  type ClusterAccess,
  inClusterAccess,
  kubeconfigAccess,
} from "../../src/kubernetes/client/cluster-access.ts";
import { generatedApi } from "../../src/kubernetes/client/generated-api.ts";
import { createTransport } from "../../src/kubernetes/client/transport.ts";
import type { ResourceKind } from "../../src/kubernetes/objects/object.ts";
import { status } from "./api-answers.ts";
import { makeCertificates, type TestCertificates } from "./certificates.ts";
import { FakeApiServer } from "./fake-api-server.ts";

const serverName = "api.cluster.test";
const configMaps: ResourceKind = {
  ...{ group: "", version: "v1", plural: "configmaps", kind: "ConfigMap", isNamespaced: true },
};
const logger = createLogger("test", "silent");
const folder = path.join(temporaryFolder(), "mutual-tls");
const api = new FakeApiServer();
let certificates: TestCertificates;
let foreign: TestCertificates;
let server: Bun.Server<undefined>;

beforeAll(async () => {
  certificates = await makeCertificates(folder, serverName);
  foreign = await makeCertificates(path.join(folder, "foreign"), serverName);
  server = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch: api.handle },
    tls: {
      cert: readFileSync(certificates.server.cert),
      key: readFileSync(certificates.server.key),
      ca: readFileSync(certificates.authority),
      requestCert: true,
      rejectUnauthorized: true,
    },
  });
});

afterAll(() => server.stop(true));

interface Config {
  readonly ca?: string;
  readonly client?: { readonly cert: string; readonly key: string } | undefined;
  readonly name?: string | undefined;
  readonly user?: object;
  readonly proxy?: string;
}

/** A kubeconfig as tools write them; names of files, or their content in base64. */
function writeKubeconfig(name: string, config: Config = {}): string {
  const { ca = certificates.authority, client = certificates.client } = config;
  const base64 = (file: string) => readFileSync(file).toString("base64");
  const user =
    "client" in config && config.client === undefined
      ? {}
      : { "client-certificate": client.cert, "client-key-data": base64(client.key) };
  const file = path.join(folder, name);
  const tlsName = "name" in config ? config.name : serverName;
  const cluster = {
    server: `https://127.0.0.1:${server.port}`,
    "certificate-authority-data": base64(ca),
    ...(config.proxy === undefined ? {} : { "proxy-url": config.proxy }),
    ...(tlsName === undefined ? {} : { "tls-server-name": tlsName }),
  };
  writeFileSync(
    file,
    Bun.YAML.stringify({
      ...{ apiVersion: "v1", kind: "Config", "current-context": "test" },
      clusters: [{ name: "c", cluster }],
      users: [{ name: "u", user: { ...user, ...config.user } }],
      contexts: [{ name: "test", context: { cluster: "c", user: "u", namespace: "spaced" } }],
    }),
  );
  return file;
}

function connect(access: ClusterAccess) {
  const metrics = new Metrics("test");
  const transport = createTransport({ access, userAgent: "mutual-tls-test", logger, metrics });
  return { client: new KubernetesClient({ transport }), transport, metrics };
}

const ask = async (config?: Config) => {
  const access = await kubeconfigAccess(writeKubeconfig(`${crypto.randomUUID()}.yaml`, config));
  return connect(access).client.list(configMaps, "a");
};

/** Connections to the server's port, as the kernel sees them from both ends. */
function sockets(): number {
  const port = (server.port ?? 0).toString(16).toUpperCase().padStart(4, "0");
  const rows = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1);
  return rows.filter((row) => {
    const [, , remote = "", state] = row.trim().split(/\s+/);
    return remote.endsWith(`:${port}`) && state === "01";
  }).length;
}

describe("the transport over mutual TLS", () => {
  test("gets through with the cluster's authority, a client certificate and the server's name", async () => {
    api.put("/api/v1/configmaps", "a/one", {});
    const { items } = await ask();
    expect(items.map(({ metadata }) => metadata.name)).toEqual(["one"]);
  });

  test("refuses a server of another name or authority, also after one that was right", async () => {
    await ask();
    await expect(ask({ name: "other.cluster.test" })).rejects.toThrow();
    await expect(ask({ name: undefined })).rejects.toThrow();
    await expect(ask({ ca: foreign.authority })).rejects.toThrow();
    await ask();
  });

  test("goes by the proxy that the kubeconfig names", async () => {
    const asked: string[] = [];
    const proxy = Bun.listen({
      ...{ hostname: "127.0.0.1", port: 0 },
      socket: {
        data(socket, bytes) {
          asked.push(bytes.toString().split("\r\n")[0] ?? "");
          socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
        },
      },
    });
    await expect(ask({ proxy: `http://127.0.0.1:${proxy.port}` })).rejects.toThrow();
    expect(asked).toEqual([`CONNECT 127.0.0.1:${server.port} HTTP/1.1`]);
    proxy.stop(true);
  });

  test("is refused without a client certificate, or with one of another authority", async () => {
    await ask();
    await expect(ask({ client: undefined })).rejects.toThrow();
    await expect(ask({ client: foreign.client })).rejects.toThrow();
  });

  test("streams a watch as it happens", async () => {
    const { client } = connect(await kubeconfigAccess(writeKubeconfig("streaming.yaml")));
    const ending = new AbortController();
    const query = { resourceVersion: String(api.version) };
    const body = await client.watch(configMaps, "a", query, ending.signal);
    const reader = body.getReader();
    await reader.read();
    for (const name of ["first", "second"]) {
      api.put("/api/v1/configmaps", `a/${name}`, {});
      const { value } = await reader.read();
      expect(new TextDecoder().decode(value)).toContain(`"name":"${name}"`);
    }
    ending.abort();
    await eventually(() => api.openWatches === 0);
  });

  test("leaves no socket of 300 watches that were broken off", async () => {
    const { client } = connect(await kubeconfigAccess(writeKubeconfig("aborting.yaml")));
    await client.list(configMaps, "a");
    for (let round = 0; round < 10; round += 1) {
      const endings = await Promise.all(
        Array.from({ length: 30 }, async () => {
          const ending = new AbortController();
          const query = { resourceVersion: String(api.version) };
          const body = await client.watch(configMaps, "a", query, ending.signal);
          await body.getReader().read();
          return ending;
        }),
      );
      for (const ending of endings) ending.abort();
    }
    await eventually(() => api.openWatches === 0);
    // One may be kept for the next request.
    await eventually(() => expect(sockets()).toBeLessThanOrEqual(2));
  });

  test("carries the generated APIs of client-node", async () => {
    const { transport } = connect(await kubeconfigAccess(writeKubeconfig("generated.yaml")));
    const found = await generatedApi(transport, CoreV1Api).listNamespacedConfigMap({ namespace: "a" });
    expect(found.items.map(({ metadata }) => metadata?.name)).toContain("one");
    const missing = generatedApi(transport, CoordinationV1Api).readNamespacedLease({
      name: "x",
      namespace: "a",
    });
    await expect(missing).rejects.toThrow("404");
  });
});

describe("credentials", () => {
  test("of a kubeconfig are read again once they are refused", async () => {
    const tokenFile = path.join(folder, "token");
    writeFileSync(tokenFile, "old\n");
    const file = writeKubeconfig("token.yaml", { user: { tokenFile } });
    const { client, metrics } = connect(await kubeconfigAccess(file));
    await client.list(configMaps, "a");
    api.faults = {
      answer: () =>
        api.requests.at(-1)?.headers.get("authorization") === "Bearer new"
          ? undefined
          : status(401, "Unauthorized"),
    };
    await expect(client.list(configMaps, "a")).rejects.toThrow("401");
    writeFileSync(tokenFile, "new\n");
    await client.list(configMaps, "a");
    api.faults = {};
    expect(await metrics.text()).toMatch(/rest_client_requests_total\{code="401",method="GET",host="[^"]+",/);
  });

  test("of a pod are its service account's, and its namespace", async () => {
    const account = path.join(folder, "account");
    mkdirSync(account, { recursive: true });
    copyFileSync(certificates.authority, path.join(account, "ca.crt"));
    writeFileSync(path.join(account, "token"), "first");
    writeFileSync(path.join(account, "namespace"), "payments\n");
    const access = await inClusterAccess({ host: "127.0.0.1", port: String(server.port), folder: account });
    expect(access.namespace).toBe("payments");
    const first = await access.read();
    writeFileSync(path.join(account, "token"), "second");
    expect((await access.read()).headers).toEqual({ authorization: "Bearer second" });
    expect(first).toMatchObject({
      headers: { authorization: "Bearer first" },
      tls: { rejectUnauthorized: true },
    });
    expect(first.tls.ca).toContain("BEGIN CERTIFICATE");
  });

  test("name what is missing in a kubeconfig", async () => {
    await expect(kubeconfigAccess(writeKubeconfig("named.yaml"), "absent")).rejects.toThrow(
      'no context "absent"',
    );
    expect((await kubeconfigAccess(writeKubeconfig("named.yaml"))).namespace).toBe("spaced");
  });
});

test("a server that is busy is asked again when it says so, and counted", async () => {
  const { client, metrics } = connect(await kubeconfigAccess(writeKubeconfig("busy.yaml")));
  let refusals = 3;
  api.faults = {
    answer() {
      refusals -= 1;
      return refusals < 0
        ? undefined
        : status(429, "TooManyRequests", { "retry-after": refusals === 2 ? "1" : "0" });
    },
  };
  const startedAt = performance.now();
  await client.list(configMaps, "a");
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990);
  api.faults = { answer: () => status(429, "TooManyRequests") };
  await expect(client.list(configMaps, "a")).rejects.toMatchObject({
    status: 429,
    reason: "TooManyRequests",
  });
  api.faults = {};
  expect(await metrics.text()).toMatch(/rest_client_requests_total\{code="429",[^}]*\} 4/);
});
