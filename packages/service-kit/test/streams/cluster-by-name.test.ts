import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync } from "node:fs";
import path from "node:path";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { makeAuthority, signCertificate } from "@payflow/one-machine/programs/openssl.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { startTestRedis } from "@payflow/testkit/redis.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import { Redis } from "ioredis";
import { connectStreams } from "../../src/streams/connect.ts";
import { createLogger } from "../../src/telemetry/logging.ts";

// A managed cluster's certificates are for its nodes' names, and their addresses change.
test("a cluster by TLS is verified by its nodes' names, without certificates for addresses", async () => {
  const folder = mkdtempSync(path.join(temporaryFolder(), "by-name-"));
  const authority = makeAuthority(folder, "PayFlow test authority");
  const { certificate, key } = signCertificate(authority, "node", {
    subject: "/CN=node",
    usages: ["serverAuth"],
    alternativeNames: ["DNS:localhost"],
  });
  // The server runs as another user.
  for (const file of [folder, certificate, key, authority.certificate]) chmodSync(file, 0o755);
  const port = await reservePort();
  const node = await startTestRedis("durable", [
    "cluster-enabled yes",
    `cluster-port ${await reservePort()}`,
    `tls-port ${port}`,
    "tls-cluster yes",
    "tls-auth-clients no",
    `tls-cert-file ${certificate}`,
    `tls-key-file ${key}`,
    `tls-ca-cert-file ${authority.certificate}`,
    "cluster-announce-hostname localhost",
    "cluster-preferred-endpoint-type hostname",
  ]);
  const plain = new Redis(node.url);
  await plain.call("CLUSTER", "ADDSLOTSRANGE", 0, 16_383);
  const { username, password } = new URL(node.url);
  const url = `rediss://${username}:${password}@localhost:${port}`;
  const tls = { ca: readFileSync(authority.certificate, "utf8") };
  const streams = connectStreams(`${url},${url}`, "test", createLogger("test", "fatal"), { tls });
  try {
    await eventually(async () => (await streams.set("by", "name").catch(() => "away")) === "OK");
    expect(await plain.get("by")).toBe("name");
  } finally {
    streams.disconnect();
    plain.disconnect();
    await node.stop();
  }
}, 30_000);
