import { chmodSync, mkdtempSync, readFileSync } from "node:fs";
import path from "node:path";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { makeAuthority, signCertificate } from "@payflow/one-machine/programs/openssl.ts";
import { Redis } from "ioredis";
import { eventually } from "./eventually.ts";
import { startTestRedis, type TestRedis } from "./redis.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface TestRedisCluster {
  /** The nodes' URLs, by comma. */
  readonly urls: string;
  /** The masters; each has an even share of the slots. */
  readonly nodes: readonly TestRedis[];
  /** Ends all of them. */
  close(): Promise<void>;
}

const slots = 16_384;

/** A Redis Cluster of masters alone on this machine, set up like an installation's durable Redis. */
export async function testRedisCluster(size = 3): Promise<TestRedisCluster> {
  const members = await Promise.all(Array.from({ length: size }, startMember));
  await join(members);
  for (const { link } of members) link.disconnect();
  const nodes = members.map(({ node }) => node);
  return {
    urls: nodes.map((node) => node.url).join(","),
    nodes,
    close: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

interface Member {
  readonly node: TestRedis;
  /** Where the members of the cluster talk to it. */
  readonly busPort: number;
  readonly link: Redis;
}

async function startMember(): Promise<Member> {
  const busPort = await reservePort();
  const settings = [
    "cluster-enabled yes",
    `cluster-port ${busPort}`,
    "cluster-announce-ip 127.0.0.1",
    "cluster-node-timeout 2000",
  ];
  const node = await startTestRedis("durable", settings);
  return { node, busPort, link: new Redis(node.url) };
}

async function join(members: readonly Member[]): Promise<void> {
  const share = Math.ceil(slots / members.length);
  for (const [index, { node, busPort, link }] of members.entries()) {
    const last = Math.min(slots, (index + 1) * share) - 1;
    await link.call("CLUSTER", "ADDSLOTSRANGE", index * share, last);
    // Otherwise two nodes may begin with one epoch and settle only after a while whose slots are whose.
    await link.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
    const { hostname, port } = new URL(node.url);
    if (index > 0) await members[0]?.link.call("CLUSTER", "MEET", hostname, port, busPort);
  }
  await eventually(async () => {
    const states = await Promise.all(members.map(({ link }) => link.call("CLUSTER", "INFO")));
    return states.every((state) => {
      const text = String(state);
      return text.includes("cluster_state:ok") && text.includes(`cluster_known_nodes:${members.length}`);
    });
  });
}

export interface TestTlsCluster {
  /** The node's URL by its name, twice, so that it is taken for a cluster's. */
  readonly urls: string;
  /** The authority of its certificate, in PEM form. */
  readonly authority: string;
  close(): Promise<void>;
}

/** A cluster of one node that is reached by TLS, with a certificate for its name and for no address. */
export async function testTlsCluster(): Promise<TestTlsCluster> {
  const folder = mkdtempSync(path.join(temporaryFolder(), "tls-cluster-"));
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
  const link = new Redis(node.url);
  await link.call("CLUSTER", "ADDSLOTSRANGE", 0, slots - 1);
  link.disconnect();
  const { username, password } = new URL(node.url);
  const url = `rediss://${username}:${password}@localhost:${port}`;
  return {
    urls: `${url},${url}`,
    authority: readFileSync(authority.certificate, "utf8"),
    close: () => node.stop(),
  };
}
