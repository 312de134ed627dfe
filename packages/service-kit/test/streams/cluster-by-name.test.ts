import { expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { testTlsCluster } from "@payflow/testkit/redis-cluster.ts";
import { connectStreams } from "../../src/streams/connect.ts";
import { createLogger } from "../../src/telemetry/logging.ts";

// A managed cluster's certificates are for its nodes' names, and their addresses change.
test("a cluster by TLS is verified by its nodes' names, without certificates for addresses", async () => {
  const cluster = await testTlsCluster();
  const connect = (ca?: string) =>
    connectStreams(cluster.urls, "test", createLogger("test", "fatal"), {
      tls: ca === undefined ? {} : { ca },
    });
  const streams = connect(cluster.authority);
  const trustsNobody = connect();
  try {
    await eventually(async () => (await streams.set("by", "name").catch(() => "away")) === "OK");
    expect(await streams.get("by")).toBe("name");
    expect(trustsNobody.get("by")).rejects.toThrow();
  } finally {
    streams.disconnect();
    trustsNobody.disconnect();
    await cluster.close();
  }
}, 30_000);
